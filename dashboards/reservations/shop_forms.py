"""Forms and dialogs of a partner shop: register, edit, blacklist, archive."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.reservations import choices, words
from dashboards.ui import confirm, dialogs, editing, forms
from dashboards.ui.columns import Row

PATH = "/api/reservations/shops"
Values = Mapping[str, Any]
LABELS = {
    "code": "店舗コード",
    "name": "店舗名",
    "phone": "電話番号",
    "mail": "メールアドレス",
    "contact_name": "担当者",
    "opens_at": "電話受付の開始",
    "closes_at": "電話受付の終了",
    "closed_weekdays": "定休日",
    "services": "サービス",
    "note": "備考",
}
TEXTS = {
    "code": (30, "S001", True),
    "name": (100, "フラワー銀座", True),
    "phone": (30, "03-1234-5678", True),
    "mail": (254, "ginza@flower.example", False),
    "contact_name": (100, "佐藤 花", False),
}
HELP = {
    "code": "半角の英数字・ハイフン・下線で入力します。取り込みでは、このコードで同じ店舗かどうかを判断します。",
    "phone": "自動音声の電話をかける番号です。市外局番から入力してください。",
    "mail": "予約の確定や取り消しをお知らせします。登録すると、提携店向けマニュアルを自動でメールします。",
}
DEFAULT_HOURS = {"opens_at": "09:00:00", "closes_at": "20:00:00"}


def _fields(form: forms.Form, initial: Values) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, (max_length, placeholder, required) in TEXTS.items():
        values[name] = form.field(
            name,
            st.text_input,
            LABELS[name],
            required=required,
            value=initial.get(name, ""),
            max_chars=max_length,
            placeholder=placeholder,
            help=HELP.get(name),
        ).strip()
    left, right = st.columns(2)
    for column, name in ((left, "opens_at"), (right, "closes_at")):
        with column:
            chosen = form.field(
                name,
                st.time_input,
                LABELS[name],
                value=time.fromisoformat(initial.get(name, DEFAULT_HOURS[name])),
                step=900,
            )
        values[name] = chosen.isoformat()
    values["closed_weekdays"] = sorted(
        form.field(
            "closed_weekdays",
            st.multiselect,
            LABELS["closed_weekdays"],
            options=[*words.WEEKDAYS],
            default=initial.get("closed_weekdays", []),
            format_func=lambda day: words.WEEKDAYS[day],
            placeholder=words.NONE,
            help="この曜日には電話をかけません。",
        )
    )
    options = _service_options(initial)
    chosen = form.field(
        "services",
        st.multiselect,
        LABELS["services"],
        options=[*options],
        default=initial.get("services", []),
        format_func=lambda key: options[key],
        placeholder="取り扱うサービスを選ぶ",
        help="新しく加えたサービスでは、最後に電話をかけます。順番は「電話をかける順番」で変更できます。",
    )
    values["services"] = [key for key in options if key in chosen]
    values["note"] = form.field(
        "note", st.text_area, LABELS["note"], value=initial.get("note", ""), max_chars=1000, height=80
    ).strip()
    return values


def _service_options(initial: Values) -> dict[int, str]:
    """The options, and the selected services: a service that was added just now may still be missing in the options."""
    options: dict[int, str] = choices.services() | initial.get("names", {})
    return options | {key: f"（サービス{key}）" for key in initial.get("services", []) if key not in options}


def _display_values(shop: editing.Values) -> dict[str, Any]:
    options = _service_options(shop)
    return {
        "opens_at": words.clock(shop["opens_at"]),
        "closes_at": words.clock(shop["closes_at"]),
        "closed_weekdays": words.days(shop["closed_weekdays"]),
        "services": "、".join(options[key] for key in options if key in shop["services"]),
    }


def new() -> None:
    @dialogs.dialog("提携店を登録する", width="medium", icon=":material/add_business:")
    def ask() -> None:
        with forms.form("reservations.shop.new", submit="登録する") as form:
            values = _fields(form, {})
        if form.submitted:
            form.send(
                lambda idempotency_key: session.api().post(PATH, values, once=idempotency_key),
                done=f"{values['name']}を登録しました。",
            )

    ask()


RECORD = editing.Record(
    key="reservations.shop",
    path=PATH,
    labels=LABELS,
    name=lambda shop: f"提携店「{shop['name']}」",
    fields=_fields,
    in_words=_display_values,
)


def edit(shop: Row) -> None:
    values = {name: shop[name] for name in ("id", "version", *LABELS)}
    values |= {"phone": shop["phone_shown"], "services": [service["id"] for service in shop["services"]]}
    RECORD.edit(values | {"names": {service["id"]: service["name"] for service in shop["services"]}})


def archive(shop: Row) -> None:
    RECORD.archive(
        shop,
        "一覧と、電話をかける順番から外れます。これまでの予約と履歴は残り、あとで元に戻せます。"
        "元に戻すと、順番の最後に加わります。",
    )


def restore(shop: Row) -> None:
    RECORD.restore(shop, "一覧に戻り、取り扱うサービスの順番の最後に加わります。")


def blacklist(shop: Row) -> None:
    confirm.confirm(
        f"reservations.shop.blacklist.{shop['id']}",
        f"提携店「{shop['name']}」を利用停止にしますか？",
        "この店舗には、これから電話をかけなくなります。手配中の予約は、次の店舗へ進みます。"
        "順番はそのまま残り、あとで解除できます。",
        action="利用停止にする",
        do=lambda reason, idempotency_key: session.api().post(
            f"{PATH}/{shop['id']}/blacklist", {"reason": reason}, once=idempotency_key
        ),
        done=f"{shop['name']}を利用停止にしました。",
        reason="required",
    )


def lift(shop: Row) -> None:
    confirm.confirm(
        f"reservations.shop.lift.{shop['id']}",
        f"提携店「{shop['name']}」の利用停止を解除しますか？",
        "新しい予約から、元の順番でまた電話をかけます。",
        action="解除する",
        do=lambda reason, idempotency_key: session.api().post(
            f"{PATH}/{shop['id']}/lift", {"reason": reason}, once=idempotency_key
        ),
        done=f"{shop['name']}の利用停止を解除しました。",
        reason="required",
        danger=False,
    )
