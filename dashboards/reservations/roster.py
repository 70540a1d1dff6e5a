"""オンコール当番: who is on call at night, at weekends and on holidays."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.reservations import choices
from dashboards.session import has_permission
from dashboards.ui import columns, confirm, dialogs, filters, forms, tables, times
from dashboards.ui.columns import Row
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status
from dashboards.ui.text import plain

PATH, KEY = "/api/reservations/roster", "reservations.roster"
STATE = {"now": Status("当番中", "green", "call"), "later": Status("予定", "gray", "schedule")}
COLUMNS = (
    columns.text("当番", "name", width=140),
    columns.badge("状態", lambda row: "now" if row["is_now"] else "later", STATE, width=100),
    columns.stamp("開始", "starts_at", sort="starts_at"),
    columns.stamp("終了", "ends_at"),
    columns.text("電話番号", "phone_shown", width=140),
)
SORTS = {"starts_at": "開始が早い順", "-starts_at": "開始が遅い順"}


def section() -> None:
    st.markdown(
        "土日祝と夜間に緊急の手動対応が発生すると、当番の電話番号にSMSを送ります。"
        "平日9:00〜18:00は、運営担当者が対応します。"
    )
    if has_permission("reservations:roster:update"):
        dialogs.button("当番を登録する", new, key=f"{KEY}.new", icon="add", type="primary")
    _show_list(filters.bar(filters.Choice("state", "表示", {"all": "終わった当番を含む"}, otherwise="これから")))


@refreshing
def _show_list(chosen: filters.Filters) -> None:
    actions = {"変更する": edit, "外す": remove} if has_permission("reservations:roster:update") else {}
    tables.table(
        f"{KEY}.list",
        "",
        PATH,
        COLUMNS,
        counter="件",
        sorts=SORTS,
        filters=chosen,
        actions=actions,
        empty=tables.Empty("これからの当番が登録されていません", "「当番を登録する」から登録してください。"),
    )


def _fields(form: forms.Form, initial: Mapping[str, Any]) -> dict[str, Any]:
    users = choices.assignees()
    current = str(initial["user_id"]) if initial else None
    chosen = form.field(
        "user_id",
        st.selectbox,
        "当番",
        required=True,
        options=[*users],
        index=[*users].index(current) if current in users else None,
        format_func=lambda user_id: users[user_id],
        placeholder="選ぶ",
    )
    phone = form.field(
        "phone",
        st.text_input,
        "電話番号",
        required=True,
        value=initial.get("phone_shown", ""),
        max_chars=30,
        placeholder="090-1234-5678",
        help="緊急のSMSを受け取れる携帯電話の番号です。",
    )
    today = datetime.combine(times.now().date(), time(18), times.now().tzinfo)
    starts = times.parse(initial["starts_at"]).astimezone(today.tzinfo) if initial else today
    ends = times.parse(initial["ends_at"]).astimezone(today.tzinfo) if initial else today + timedelta(hours=15)
    values = {"user_id": int(chosen) if chosen else None, "phone": phone}
    return values | {
        "starts_at": _time_fields(form, "starts_at", "開始", starts),
        "ends_at": _time_fields(form, "ends_at", "終了", ends),
    }


def _time_fields(form: forms.Form, name: str, label: str, initial: datetime) -> str:
    left, right = st.columns(2)
    with left:
        day = form.field(name, st.date_input, f"{label}日", value=initial.date(), format="YYYY/MM/DD")
    with right:
        clock_time = form.field(f"{name}_time", st.time_input, f"{label}時刻", value=initial.time(), step=900)
    return datetime.combine(day or initial.date(), clock_time or initial.time(), initial.tzinfo).isoformat()


def new() -> None:
    @dialogs.dialog("当番を登録する", width="medium", icon=":material/add_call:")
    def ask() -> None:
        with forms.form(f"{KEY}.create", submit="登録する") as form:
            values = _fields(form, {})
        if form.submitted:
            form.send(
                lambda idempotency_key: session.api().post(PATH, values, once=idempotency_key),
                done="当番を登録しました。",
            )

    ask()


def edit(shift: Row) -> None:
    @dialogs.dialog(f"{plain(shift['name'])}の当番を変更する", width="medium", icon=":material/edit:")
    def ask() -> None:
        with forms.form(f"{KEY}.edit.{shift['id']}.{shift['version']}", submit="保存する") as form:
            values = _fields(form, shift)
        if form.submitted:
            body = values | {"version": shift["version"]}
            form.send(lambda _: session.api().patch(f"{PATH}/{shift['id']}", body), done="当番を変更しました。")

    ask()


def remove(shift: Row) -> None:
    span = f"{times.full(times.parse(shift['starts_at']))}から{times.full(times.parse(shift['ends_at']))}まで"
    confirm.confirm(
        f"{KEY}.remove.{shift['id']}",
        f"{shift['name']}の当番を外しますか？",
        f"{span}の当番を外します。この時間に緊急の手動対応が発生しても、誰にもSMSを送りません。",
        action="外す",
        do=lambda _, _idempotency_key: session.api().delete(f"{PATH}/{shift['id']}?version={shift['version']}"),
        done="当番を外しました。",
    )
