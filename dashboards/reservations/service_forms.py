"""Forms of services and their sizes: register, edit, archive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.reservations import words
from dashboards.ui import dialogs, editing, forms
from dashboards.ui.columns import Row

PATH, PLANS = "/api/reservations/services", "/api/reservations/plans"
Values = Mapping[str, Any]
LABELS = {"name": "サービス名", "description": "説明", "position": "表示順"}
PLAN_LABELS = {"name": "サイズ", "price": "料金（円、税込）", "position": "表示順"}
CODE_HELP = (
    "半角の小文字・数字・ハイフンで入力します。AIアシスタントとファイルの取り込みで使い、あとから変更できません。"
)


def _text(
    form: forms.Form, name: str, label: str, initial: Values, max_length: int, placeholder: str, **options: Any
) -> str:
    text: str = form.field(
        name,
        st.text_input,
        label,
        required=True,
        value=initial.get(name, ""),
        max_chars=max_length,
        placeholder=placeholder,
        **options,
    )
    return text.strip()


def _position(form: forms.Form, initial: Values) -> dict[str, Any]:
    """Only for existing rows: a new row comes last."""
    if "position" not in initial:
        return {}
    return {
        "position": form.field(
            "position",
            st.number_input,
            LABELS["position"],
            value=initial["position"],
            min_value=0,
            max_value=10_000,
            help="小さい番号から順に並びます。",
        )
    }


def _fields(form: forms.Form, initial: Values) -> dict[str, Any]:
    name = _text(form, "name", LABELS["name"], initial, 100, "花束")
    description = form.field(
        "description",
        st.text_area,
        LABELS["description"],
        value=initial.get("description", ""),
        max_chars=500,
        height=100,
        help="AIアシスタントが依頼者に伝える説明です。",
    )
    return {"name": name, "description": description.strip()} | _position(form, initial)


def _plan_fields(form: forms.Form, initial: Values) -> dict[str, Any]:
    name = _text(form, "name", PLAN_LABELS["name"], initial, 100, "M（約20本）")
    price = form.field(
        "price",
        st.number_input,
        PLAN_LABELS["price"],
        required=True,
        value=initial.get("price"),
        min_value=50,
        max_value=9_999_999,
        step=100,
        placeholder="5500",
        help="これから受け付ける予約の料金です。受け付け済みの予約の料金は変わりません。",
    )
    return {"name": name, "price": price} | _position(form, initial)


SERVICE = editing.Record(
    key="reservations.service",
    path=PATH,
    labels=LABELS,
    name=lambda service: f"サービス「{service['name']}」",
    fields=_fields,
    in_words=lambda _: {},
)
PLAN = editing.Record(
    key="reservations.plan",
    path=PLANS,
    labels=PLAN_LABELS,
    name=lambda plan: f"サイズ「{plan['name']}」",
    fields=_plan_fields,
    in_words=lambda plan: {"price": words.yen(plan["price"])},
)


def _new(
    key: str, title: str, path: str, fields: Callable[[forms.Form], dict[str, Any]], done: Callable[[Values], str]
) -> None:
    @dialogs.dialog(title, width="medium", icon=":material/add:")
    def ask() -> None:
        with forms.form(f"reservations.{key}.new", submit="登録する") as form:
            code = _text(form, "code", "コード", {}, 30, "bouquet" if key == "service" else "m", help=CODE_HELP)
            values = {"code": code} | fields(form)
        if form.submitted:
            form.send(lambda idempotency_key: session.api().post(path, values, once=idempotency_key), done=done(values))

    ask()


def new() -> None:
    _new(
        "service",
        "サービスを登録する",
        PATH,
        lambda form: _fields(form, {}),
        lambda values: f"{values['name']}を登録しました。「詳細」からサイズと料金を追加してください。",
    )


def new_plan(service: Row) -> None:
    _new(
        "plan",
        f"{service['name']}のサイズ・料金を追加する",
        f"{PATH}/{service['id']}/plans",
        lambda form: _plan_fields(form, {}),
        lambda values: f"{service['name']}に「{values['name']}」を追加しました。",
    )


def edit(service: Row) -> None:
    SERVICE.edit({name: service[name] for name in ("id", "version", *LABELS)})


def archive(service: Row) -> None:
    SERVICE.archive(service, "新しい予約を受け付けなくなります。受け付け済みの予約はそのまま進み、あとで元に戻せます。")


def restore(service: Row) -> None:
    SERVICE.restore(service, "新しい予約を、もう一度受け付けられるようになります。")


def edit_plan(plan: Row) -> None:
    PLAN.edit({name: plan[name] for name in ("id", "version", *PLAN_LABELS)})


def archive_plan(plan: Row) -> None:
    PLAN.archive(plan, "このサイズの予約を受け付けなくなります。受け付け済みの予約はそのまま進み、あとで元に戻せます。")


def restore_plan(plan: Row) -> None:
    PLAN.restore(plan, "このサイズの予約を、もう一度受け付けられるようになります。")
