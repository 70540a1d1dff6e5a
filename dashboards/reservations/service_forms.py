"""What is done with services and their sizes: registered, edited, archived."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.reservations import words
from dashboards.ui import dialogs, editing, forms
from dashboards.ui.columns import Row

PATH, PLANS = "/api/reservations/services", "/api/reservations/plans"
Known = Mapping[str, Any]
LABELS = {"name": "サービス名", "description": "説明", "position": "表示順"}
PLAN_LABELS = {"name": "サイズ", "price": "料金（円、税込）", "position": "表示順"}
CODE_HELP = (
    "半角の小文字・数字・ハイフンで入力します。AIアシスタントとファイルの取り込みで使い、あとから変更できません。"
)


def _text(form: forms.Form, name: str, label: str, known: Known, most: int, example: str, **options: Any) -> str:
    typed: str = form.field(
        name, st.text_input, label, required=True, value=known.get(name, ""), max_chars=most, placeholder=example,
        **options,
    )  # fmt: skip
    return typed.strip()


def _position(form: forms.Form, known: Known) -> dict[str, Any]:
    """Only of what is there: what is new comes last."""
    if "position" not in known:
        return {}
    return {
        "position": form.field(
            "position", st.number_input, LABELS["position"], value=known["position"], min_value=0, max_value=10_000,
            help="小さい番号から順に並びます。",
        )
    }  # fmt: skip


def _fields(form: forms.Form, known: Known) -> dict[str, Any]:
    name = _text(form, "name", LABELS["name"], known, 100, "花束")
    description = form.field(
        "description", st.text_area, LABELS["description"], value=known.get("description", ""), max_chars=500,
        height=100, help="AIアシスタントが依頼者に伝える説明です。",
    )  # fmt: skip
    return {"name": name, "description": description.strip()} | _position(form, known)


def _plan_fields(form: forms.Form, known: Known) -> dict[str, Any]:
    name = _text(form, "name", PLAN_LABELS["name"], known, 100, "M（約20本）")
    price = form.field(
        "price", st.number_input, PLAN_LABELS["price"], required=True, value=known.get("price"), min_value=50,
        max_value=9_999_999, step=100, placeholder="5500",
        help="これから受け付ける予約の料金です。受け付け済みの予約の料金は変わりません。",
    )  # fmt: skip
    return {"name": name, "price": price} | _position(form, known)


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
    key: str, title: str, path: str, fields: Callable[[forms.Form], dict[str, Any]], done: Callable[[Known], str]
) -> None:
    @dialogs.dialog(title, width="medium", icon=":material/add:")
    def ask() -> None:
        with forms.form(f"reservations.{key}.new", submit="登録する") as form:
            code = _text(form, "code", "コード", {}, 30, "bouquet" if key == "service" else "m", help=CODE_HELP)
            typed = {"code": code} | fields(form)
        if form.submitted:
            form.send(lambda once: session.api().post(path, typed, once=once), done=done(typed))

    ask()


def new() -> None:
    _new(
        "service",
        "サービスを登録する",
        PATH,
        lambda form: _fields(form, {}),
        lambda typed: f"{typed['name']}を登録しました。「詳細」からサイズと料金を追加してください。",
    )


def new_plan(service: Row) -> None:
    _new(
        "plan",
        f"{service['name']}のサイズ・料金を追加する",
        f"{PATH}/{service['id']}/plans",
        lambda form: _plan_fields(form, {}),
        lambda typed: f"{service['name']}に「{typed['name']}」を追加しました。",
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
