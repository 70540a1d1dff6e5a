"""オンコール当番: who is on call at night, at weekends and on holidays."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import streamlit as st

from dashboards import session
from dashboards.contract.reservations import FIELDS, ShiftItem
from dashboards.reservations import choices
from dashboards.reservations.actions import Body, ask
from dashboards.session import has_permission
from dashboards.ui import columns, confirm, dialogs, filters, tables, times
from dashboards.ui.fields import Choice, Moment, Text
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status

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


_FIELDS = (
    Choice("user_id", "当番", choices.assignees, required=True, placeholder="選ぶ"),
    Text(
        "phone",
        FIELDS["phone"],
        30,
        required=True,
        placeholder="090-1234-5678",
        help="緊急のSMSを受け取れる携帯電話の番号です。",
    ),
    Moment("starts_at", "開始日", time_title="開始時刻", step=900),
    Moment("ends_at", "終了日", time_title="終了時刻", step=900),
)


def new() -> None:
    starts_at = datetime.combine(times.now().date(), time(18), times.TOKYO)
    ask(
        f"{KEY}.create",
        "当番を登録する",
        _FIELDS,
        lambda body, key: session.api().post(PATH, body, idempotency_key=key),
        values={"starts_at": starts_at.isoformat(), "ends_at": (starts_at + timedelta(hours=15)).isoformat()},
        body=_body,
        icon="add_call",
        submit="登録する",
        done="当番を登録しました。",
    )


def edit(shift: ShiftItem) -> None:
    ask(
        f"{KEY}.edit.{shift['id']}.{shift['version']}",
        f"{shift['name']}の当番を変更する",
        _FIELDS,
        lambda body, _: session.api().patch(f"{PATH}/{shift['id']}", {**body, "version": shift["version"]}),
        values={**shift, "user_id": str(shift["user_id"]), "phone": shift["phone_shown"]},
        body=_body,
        icon="edit",
        submit="保存する",
        done="当番を変更しました。",
    )


def _body(typed: Body) -> Body:
    return {**typed, "user_id": int(typed["user_id"])}


def remove(shift: ShiftItem) -> None:
    span = f"{times.stamp(shift['starts_at'])}から{times.stamp(shift['ends_at'])}まで"
    confirm.confirm(
        f"{KEY}.remove.{shift['id']}",
        f"{shift['name']}の当番を外しますか？",
        f"{span}の当番を外します。この時間に緊急の手動対応が発生しても、誰にもSMSを送りません。",
        action="外す",
        do=lambda _, _idempotency_key: session.api().delete(f"{PATH}/{shift['id']}?version={shift['version']}"),
        success="当番を外しました。",
    )
