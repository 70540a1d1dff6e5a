"""端末詳細, メンテナンス: current and planned maintenance; planning it and ending it early."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.contract.fleet import FIELDS, MaintenanceItem, TerminalDetail
from dashboards.fleet.words import PHASES
from dashboards.session import has_permission
from dashboards.ui import columns, confirm, dialogs, forms, tables, times
from dashboards.ui.live import refreshing

PATH = "/api/fleet/maintenances"
SORTS = {"-starts_at": "開始が新しい順", "starts_at": "開始が古い順"}
COLUMNS = (
    columns.badge("状況", "phase", PHASES, width=96),
    columns.stamp("開始", "starts_at"),
    columns.stamp("終了予定", "ends_at"),
    columns.stamp("終了", "ended_at"),
    columns.text("理由", "reason", width=208),
    columns.text("登録者", "created_by", width=96),
    columns.text("終了した人", "ended_by", width=96),
)


@refreshing
def show(terminal: TerminalDetail) -> None:
    may_maintain = has_permission("fleet:terminal:maintain") and terminal["archived_at"] is None
    tables.table(
        "fleet.terminal_maintenances",
        "メンテナンス",
        PATH,
        COLUMNS,
        sorts=SORTS,
        query={"terminal_id": terminal["id"]},
        right=partial(_plan_button, terminal) if may_maintain else None,
        actions={"終了する": end} if may_maintain else None,
        row_opens=False,
        empty=tables.Empty("メンテナンスの記録はありません", "予定すると、その間はアラートを通知しません。"),
    )


def _plan_button(terminal: TerminalDetail) -> None:
    dialogs.button("メンテナンスを登録する", plan, terminal, key="terminal.plan", icon="build")


def plan(terminal: TerminalDetail) -> None:
    """Now or later, with an end and a reason; for this terminal or all terminals of its store."""
    store = terminal["store"]
    scope_labels = {
        "terminal": f"この端末（{terminal['serial_number']}）",
        "store": f"{store['store']}のすべての端末（{store['terminals']['total']:,}台）",
    }

    @dialogs.dialog("メンテナンスを登録する", width="medium", icon=":material/build:")
    def show_form() -> None:
        st.markdown("終了日時まで、アラートを通知しません。状態の監視は続きます。")
        # A full hour, so that the suggested end does not change while the user fills in the form.
        hour = times.now().replace(tzinfo=None, minute=0, second=0, microsecond=0)
        with forms.form(f"terminal.plan.{terminal['id']}", submit="登録する") as form:
            scope = form.field(
                "scope", st.radio, "対象", options=[*scope_labels], format_func=lambda key: scope_labels[key]
            )
            starts = form.field(
                "starts_at",
                st.datetime_input,
                "開始日時（空欄なら今すぐ）",
                value=None,
                format="YYYY/MM/DD",
                step=timedelta(minutes=15),
            )
            ends = form.field(
                "ends_at",
                st.datetime_input,
                FIELDS["ends_at"],
                required=True,
                value=hour + timedelta(hours=2),
                format="YYYY/MM/DD",
                step=timedelta(minutes=15),
            )
            reason = form.field(
                "reason", st.text_input, FIELDS["reason"], required=True, max_chars=200, placeholder="店舗の改装のため"
            )
        if form.submitted:
            body = _request_body(terminal, scope, starts, ends, reason)
            form.send(
                lambda key: session.api().post(PATH, body, idempotency_key=key), success="メンテナンスを登録しました。"
            )

    show_form()


def _request_body(
    terminal: TerminalDetail, scope: str, starts_at: datetime | None, ends_at: datetime | None, reason: str
) -> dict[str, Any]:
    affected = (
        {"customer_id": terminal["customer"]["id"], "store": terminal["store"]["store"]}
        if scope == "store"
        else {"terminal_ids": [terminal["id"]]}
    )
    timestamps = {
        name: value.replace(tzinfo=times.TOKYO).isoformat()
        for name, value in (("starts_at", starts_at), ("ends_at", ends_at))
        if value
    }
    return {**affected, **timestamps, "reason": reason.strip()}


def end(window: MaintenanceItem) -> None:
    span = f"{times.stamp(window['starts_at'])}～{times.stamp(window['ends_at'])}"
    if window["phase"] == "past":

        @dialogs.dialog("このメンテナンスは終了しています", width="small", icon=":material/info:")
        def show_period() -> None:
            st.markdown(span)

        show_period()
        return
    is_current = window["phase"] == "now"
    confirm.confirm(
        f"terminal.maintenance.end.{window['id']}",
        f"{window['serial_number']} のメンテナンスを{'終了しますか' if is_current else '取り消しますか'}？",
        f"対象の期間: {span}。{'すぐに監視とアラート通知に戻ります。' if is_current else 'この予定は実施されません。'}",
        action="終了する" if is_current else "取り消す",
        do=lambda _, key: session.api().post(f"{PATH}/{window['id']}/end", idempotency_key=key),
        success="メンテナンスを終了しました。" if is_current else "メンテナンスの予定を取り消しました。",
        danger=False,
    )
