"""Forms for a terminal's record: register, edit, archive, restore, swap the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.contract.fleet import FATE, FIELDS, Swapped, TerminalDetail
from dashboards.fleet import enrolment
from dashboards.fleet.choices import customers, tags
from dashboards.fleet.terminals_table import PATH
from dashboards.session import has_permission
from dashboards.ui import confirm, dialogs, fields, forms, times
from dashboards.ui.fields import Choice, Custom, Date, Text
from dashboards.ui.records import Record

MOST_TAGS = 10


def _tags_field(form: forms.Form, terminal: Mapping[str, Any]) -> Any:
    current = terminal.get("tags", [])
    return form.field(
        "tags",
        st.multiselect,
        FIELDS["tags"],
        options=[*dict.fromkeys([*current, *tags()])],
        default=current,
        accept_new_options=True,
        max_selections=MOST_TAGS,
        placeholder="選ぶか、新しいタグを入力",
    )


_SERIAL = Text("serial_number", FIELDS["serial_number"], 50, required=True, placeholder="TC200-000123")
RECORD = Record(
    key="terminal",
    path=PATH,
    name=lambda terminal: f"端末 {terminal['serial_number']}（{terminal['store_name']}）",
    fields=(
        replace(_SERIAL, when="new"),
        replace(
            _SERIAL,
            when="edit",
            help="通信したことのある端末では変更できません。本体を替えた場合は「端末を交換する」を使います。",
        ),
        Choice("customer_id", "顧客", customers, required=True, current="customer_name", placeholder="選んでください"),
        Text("store_name", FIELDS["store_name"], 100, required=True, placeholder="新宿店 レジ1番"),
        Date("installed_date", FIELDS["installed_date"], date(2000, 1, 1)),
        Custom("tags", FIELDS["tags"], _tags_field, lambda terminal: "、".join(terminal["tags"])),
    ),
    archiving="一覧から外れ、店舗PCのトークンは失効します。未解決のアラートは解決済みになり、メンテナンスは終了し、"
    "実行中の指示とファームウェアの更新は取り消されます。"
    "履歴は残り、あとで元に戻せますが、エージェントは登録し直す必要があります。",
    restoring="一覧に戻ります。通信を再開するには、店舗PCのエージェントを登録コードで登録し直してください。",
    further=("customer_name",),
)


def buttons(terminal: TerminalDetail) -> None:
    """The actions that the user may do on this terminal's record."""
    with st.container(horizontal=True, key="terminal.actions"):
        if not terminal["archived_at"] and has_permission("fleet:terminal:swap"):
            dialogs.button("端末を交換する", swap, terminal, key="terminal.swap", icon="swap_horiz")
        if has_permission("fleet:terminal:update"):
            customer = terminal["customer"]
            row = {**terminal, "customer_id": customer["id"], "customer_name": customer["company_name"]}
            RECORD.buttons(row)


def register() -> None:
    RECORD.new(
        "端末を登録する", lambda terminal: f"端末 {terminal['serial_number']} を登録しました。", icon="add_circle"
    )


_SWAP_FIELDS = (
    replace(_SERIAL, label="新しい本体のシリアル番号"),
    Choice("fate", "旧本体の扱い", lambda: FATE, default="repair"),
    Text("reason", "交換の理由", 200, required=True, placeholder="カードリーダーの故障"),
)


def swap(terminal: TerminalDetail) -> None:
    """Step 1 of 2: the new device, what happens to the old one, and why."""

    @dialogs.dialog(f"端末 {terminal['serial_number']} を交換する（1/2）", width="medium", icon=":material/swap_horiz:")
    def show_form() -> None:
        st.markdown("設置場所の履歴はそのまま残り、本体だけを入れ替えます。")
        with forms.form(f"terminal.swap.{terminal['id']}", submit="次へ") as form:
            typed = fields.draw(_SWAP_FIELDS, form, {}, "new")
        if form.submitted:
            body = {**typed, "version": terminal["version"]}
            form.send(lambda _: dialogs.open(_confirm_swap, terminal, body), success="")

    show_form()


def _confirm_swap(terminal: TerminalDetail, body: dict[str, Any]) -> None:
    """Step 2 of 2."""
    old_serial, new_serial = terminal["serial_number"], body["serial_number"]

    def do(_reason: str, idempotency_key: str) -> None:
        created = session.api().post(f"{PATH}/{terminal['id']}/swap", body, idempotency_key=idempotency_key)
        dialogs.open(_show_code, terminal, created)

    confirm.confirm(
        f"terminal.swap_now.{terminal['id']}",
        f"端末 {old_serial} を {new_serial} に交換しますか？（2/2）",
        f"{terminal['store_name']}の本体は{new_serial}になり、{old_serial}は「{FATE[body['fate']]}」として記録されます。"
        "旧本体の店舗PCのトークンはすぐに失効し、実行中の診断は取り消されます。"
        "続けて、新しい本体を登録するためのコードを一度だけ表示します。この操作は元に戻せません。",
        action="交換する",
        do=do,
        success=f"端末を {new_serial} に交換しました。",
    )


def _show_code(terminal: TerminalDetail, created: Swapped) -> None:
    expiry = times.stamp(created["expires_at"])
    enrolment.show_code_once(
        "新しい本体の登録コード",
        f"{terminal['store_name']}の店舗PCに新しい本体 {created['serial_number']} をつなぎ、"
        f"動いているエージェントを止めてから、次のどちらかのコマンドを実行してください。コードは1回だけ、{expiry}まで使えます。",
        created["code"],
    )


def retag(filters: Mapping[str, Any], total: int) -> None:
    """Changes the tags of all terminals that match the list's filters."""

    @dialogs.dialog("タグをまとめて変更する", width="medium", icon=":material/sell:")
    def show_form() -> None:
        st.markdown(f"いまの条件に合う**{total:,}台**すべてのタグを変更します。")
        tag_options = [*tags()]
        with forms.form("terminals.retag", submit=f"{total:,}台のタグを変更する") as form:
            add = form.field(
                "add",
                st.multiselect,
                "付けるタグ",
                options=tag_options,
                accept_new_options=True,
                max_selections=MOST_TAGS,
                placeholder="選ぶか、新しいタグを入力",
            )
            remove = form.field("remove", st.multiselect, "外すタグ", options=tag_options, placeholder="選んでください")
        if form.submitted:
            body = {"filters": filters, "add": add, "remove": remove}
            form.send(
                lambda key: session.api().post(f"{PATH}/tags", body, idempotency_key=key),
                success="タグを変更しました。",
            )

    show_form()
