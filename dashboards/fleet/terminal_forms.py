"""Forms for a terminal's record: register, edit, archive, restore, swap the device."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.contract.fleet import FATE
from dashboards.fleet import enrolment
from dashboards.fleet.choices import customers, tags
from dashboards.fleet.terminals_table import PATH
from dashboards.session import has_permission
from dashboards.ui import confirm, dialogs, editing, forms, times
from dashboards.ui.columns import Row

LABELS = {
    "serial_number": "シリアル番号",
    "customer_id": "顧客",
    "store_name": "設置店舗名",
    "installed_date": "設置日",
    "tags": "タグ",
}
MOST_TAGS = 10


def buttons(terminal: Row) -> None:
    """The actions that the user may do on this terminal's record."""
    with st.container(horizontal=True, key="terminal.actions"):
        if terminal["archived_at"]:
            if has_permission("fleet:terminal:update"):
                dialogs.button("元に戻す", restore, terminal, key="terminal.restore", icon="unarchive")
            return
        if has_permission("fleet:terminal:swap"):
            dialogs.button("端末を交換する", swap, terminal, key="terminal.swap", icon="swap_horiz")
        if has_permission("fleet:terminal:update"):
            dialogs.button("編集する", edit, terminal, key="terminal.edit", icon="edit")
            dialogs.button("アーカイブする", archive, terminal, key="terminal.archive", icon="archive")


def _fields(form: forms.Form, values: Mapping[str, Any], *, is_new: bool) -> dict[str, Any]:
    """The form fields of a terminal; returns their values as the service takes them."""
    customer_names = customers()
    if not is_new and values.get("customer_id") not in customer_names:
        customer_names[values["customer_id"]] = values.get("customer_name", "")
    serial = form.field(
        "serial_number",
        st.text_input,
        LABELS["serial_number"],
        required=True,
        value=values.get("serial_number", ""),
        max_chars=50,
        placeholder="TC200-000123",
        help=None
        if is_new
        else "通信したことのある端末では変更できません。本体を替えた場合は「端末を交換する」を使います。",
    )
    ids = [*customer_names]
    customer_id = form.field(
        "customer_id",
        st.selectbox,
        LABELS["customer_id"],
        required=True,
        options=ids,
        index=ids.index(values["customer_id"]) if values.get("customer_id") in ids else None,
        format_func=lambda option: customer_names[option],
        placeholder="選んでください",
    )
    store = form.field(
        "store_name",
        st.text_input,
        LABELS["store_name"],
        required=True,
        value=values.get("store_name", ""),
        max_chars=100,
        placeholder="新宿店 レジ1番",
    )
    installed = values.get("installed_date")
    day = form.field(
        "installed_date",
        st.date_input,
        LABELS["installed_date"],
        value=date.fromisoformat(installed) if installed else None,
        format="YYYY/MM/DD",
        min_value=date(2000, 1, 1),
    )
    current_tags = values.get("tags", [])
    chosen = form.field(
        "tags",
        st.multiselect,
        LABELS["tags"],
        options=[*dict.fromkeys([*current_tags, *tags()])],
        default=current_tags,
        accept_new_options=True,
        max_selections=MOST_TAGS,
        placeholder="選ぶか、新しいタグを入力",
    )
    return {
        "serial_number": serial.strip(),
        "customer_id": customer_id,
        "store_name": store.strip(),
        "installed_date": day.isoformat() if day else None,
        "tags": chosen,
    }


def register() -> None:
    @dialogs.dialog("端末を登録する", width="medium", icon=":material/add_circle:")
    def show_form() -> None:
        with forms.form("terminal.new", submit="登録する") as form:
            typed = _fields(form, {}, is_new=True)
        if form.submitted:
            form.send(
                lambda once: session.api().post(PATH, typed, once=once),
                done=f"端末 {typed['serial_number']} を登録しました。",
            )

    show_form()


def editable_values(terminal: Row) -> dict[str, Any]:
    """The editable values of a terminal, from the answer of its page."""
    return {
        **{name: terminal[name] for name in ("id", "version", "serial_number", "store_name", "installed_date", "tags")},
        "customer_id": terminal["customer"]["id"],
        "customer_name": terminal["customer"]["company_name"],
    }


def _display_values(terminal: Mapping[str, Any]) -> dict[str, Any]:
    return {"customer_id": customers().get(terminal["customer_id"], ""), "tags": "、".join(terminal["tags"])}


RECORD = editing.Record(
    key="terminal",
    path=PATH,
    labels=LABELS,
    name=lambda terminal: f"端末 {terminal['serial_number']}（{terminal['store_name']}）",
    fields=partial(_fields, is_new=False),
    in_words=_display_values,
)


def edit(terminal: Row) -> None:
    RECORD.edit(editable_values(terminal))


def archive(terminal: Row) -> None:
    RECORD.archive(
        terminal,
        "一覧から外れ、店舗PCのトークンは失効します。未解決のアラートは解決済みになり、メンテナンスは終了し、"
        "実行中の指示とファームウェアの更新は取り消されます。"
        "履歴は残り、あとで元に戻せますが、エージェントは登録し直す必要があります。",
    )


def restore(terminal: Row) -> None:
    RECORD.restore(
        terminal, "一覧に戻ります。通信を再開するには、店舗PCのエージェントを登録コードで登録し直してください。"
    )


def swap(terminal: Row) -> None:
    """Step 1 of 2: the new device, what happens to the old one, and why."""

    @dialogs.dialog(f"端末 {terminal['serial_number']} を交換する（1/2）", width="medium", icon=":material/swap_horiz:")
    def show_form() -> None:
        st.markdown("設置場所の履歴はそのまま残り、本体だけを入れ替えます。")
        with forms.form(f"terminal.swap.{terminal['id']}", submit="次へ") as form:
            serial = form.field(
                "serial_number",
                st.text_input,
                "新しい本体のシリアル番号",
                required=True,
                max_chars=50,
                placeholder="TC200-000123",
            )
            fate = form.field(
                "fate", st.selectbox, "旧本体の扱い", options=[*FATE], format_func=lambda fate: FATE[fate]
            )
            reason = form.field(
                "reason", st.text_input, "交換の理由", required=True, max_chars=200, placeholder="カードリーダーの故障"
            )
        if form.submitted:
            body = {
                "serial_number": serial.strip(),
                "fate": fate,
                "reason": reason.strip(),
                "version": terminal["version"],
            }
            form.send(lambda _: dialogs.open(_confirm_swap, terminal, body), done="")

    show_form()


def _confirm_swap(terminal: Row, body: dict[str, Any]) -> None:
    """Step 2 of 2."""
    old_serial, new_serial = terminal["serial_number"], body["serial_number"]

    def do(_reason: str, once: str) -> None:
        created = session.api().post(f"{PATH}/{terminal['id']}/swap", body, once=once)
        dialogs.open(_show_code, terminal, created)

    confirm.confirm(
        f"terminal.swap_now.{terminal['id']}",
        f"端末 {old_serial} を {new_serial} に交換しますか？（2/2）",
        f"{terminal['store_name']}の本体は{new_serial}になり、{old_serial}は「{FATE[body['fate']]}」として記録されます。"
        "旧本体の店舗PCのトークンはすぐに失効し、実行中の診断は取り消されます。"
        "続けて、新しい本体を登録するためのコードを一度だけ表示します。この操作は元に戻せません。",
        action="交換する",
        do=do,
        done=f"端末を {new_serial} に交換しました。",
    )


def _show_code(terminal: Row, created: dict[str, Any]) -> None:
    expiry = times.full(times.parse(created["expires_at"]))
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
            form.send(lambda once: session.api().post(f"{PATH}/tags", body, once=once), done="タグを変更しました。")

    show_form()
