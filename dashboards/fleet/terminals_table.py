"""The table of terminals, for the dashboard and for its own page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import streamlit as st

from dashboards.contract.fleet import TerminalDetail, TerminalItem
from dashboards.fleet.words import TERMINAL
from dashboards.session import has_permission
from dashboards.ui import columns, details, dialogs, tables, times
from dashboards.ui.columns import Row
from dashboards.ui.exports import Export
from dashboards.ui.filters import Filters
from dashboards.ui.links import link
from dashboards.ui.status import UNKNOWN
from dashboards.ui.text import plain

PATH = "/api/fleet/terminals"
NO_TERMINALS = "まだ端末が登録されていません"
ENROL_FIRST = "顧客を登録し、その顧客の登録コードを発行して、店舗PCのエージェントを登録してください。"
SORTS = {
    "status": "対応が必要な順",
    "serial_number": "シリアル番号順",
    "-serial_number": "シリアル番号の逆順",
    "customer_name": "顧客名順",
    "-customer_name": "顧客名の逆順",
    "store_name": "設置店舗名順",
    "-store_name": "設置店舗名の逆順",
    "last_heartbeat_at": "最終通信が古い順",
    "-last_heartbeat_at": "最終通信が新しい順",
}


def _reported(name: str) -> Callable[[Row], Any]:
    """The agent's value; None before its first heartbeat."""
    return lambda terminal: terminal[name] if terminal["last_heartbeat_at"] else None


def installed_text(terminal: TerminalItem | TerminalDetail) -> str:
    return times.day(date.fromisoformat(terminal["installed_date"])) if terminal["installed_date"] else ""


COLUMNS = (
    columns.text("シリアル番号", "serial_number", width=104, sort="serial_number"),
    columns.badge("状態", "status", TERMINAL, width=112, sort="status"),
    columns.text("エラー内容", "error", width=150),
    columns.text("顧客名", "customer_name", width=94, sort="customer_name"),
    columns.text("設置店舗名", "store_name", width=120, sort="store_name"),
    columns.ago("最終通信", "last_heartbeat_at", missing="通信なし", sort="last_heartbeat_at"),
    columns.percent("CPU", _reported("cpu_usage"), width=54),
    columns.percent("メモリ", _reported("memory_usage"), width=60),
    columns.percent("ディスク", _reported("disk_usage"), width=68),
    columns.text("ファームウェア", "firmware_version", width=96),
)


def terminals_table(key: str, title: str, *, filters: Filters | None = None) -> None:
    tables.table(
        key,
        title,
        PATH,
        COLUMNS,
        counter="台",
        sorts=SORTS,
        filters=filters,
        actions={"詳細": drawer},
        export=Export.of(PATH),
        empty=tables.Empty(NO_TERMINALS, ENROL_FIRST, _first_steps),
    )


def _first_steps() -> None:
    with st.container(horizontal=True, width="content"):
        if has_permission("fleet:customer:create"):
            link("顧客一覧を開く", "/customers")
        if has_permission("fleet:enrolment:create"):
            link("登録コードを開く", "/enrolments")


def drawer(terminal: TerminalItem) -> None:
    """The facts of a terminal, next to the list."""

    @dialogs.dialog(terminal["serial_number"], position="right", width="small", icon=":material/point_of_sale:")
    def show() -> None:
        status = TERMINAL.get(terminal["status"], UNKNOWN)
        st.markdown(f"{status.badge()}　**{plain(terminal['customer_name'])} - {plain(terminal['store_name'])}**")
        if terminal["error"]:
            st.warning(plain(terminal["error"]), icon=":material/error:")
        last_heartbeat_at = terminal["last_heartbeat_at"]
        facts = {
            "最終通信": times.stamp(last_heartbeat_at) or "通信なし",
            "CPU使用率": last_heartbeat_at and f"{terminal['cpu_usage']}%",
            "メモリ使用率": last_heartbeat_at and f"{terminal['memory_usage']}%",
            "ディスク使用率": last_heartbeat_at and f"{terminal['disk_usage']}%",
            "ファームウェア": terminal["firmware_version"],
            "エージェント": terminal["agent_version"],
            "設置日": installed_text(terminal),
        }
        details.facts(facts)
        link("端末詳細を開く", f"/terminal?id={terminal['id']}", primary=True)

    show()
