"""ダッシュボード: is anything wrong in the fleet right now, and where? Every block refreshes itself, one call each."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.elements.lib.grid_container import GridContainer

from dashboards.session import may
from dashboards.settings import settings
from dashboards.ui import feedback, live, times
from dashboards.ui.status import ALERT, TERMINAL, UNKNOWN
from dashboards.ui.tables import count_column, percent_column, status_cell, status_column
from dashboards.ui.text import plain, small

ALERTS_SHOWN = 20
TERMINALS_SHOWN = 50
LIST_HEIGHT = 268
TILE_WIDTH = 150  # Four in a row, and two on a phone.
ALERTS_WITHOUT_SCROLLING = 4
CUSTOMERS_WITHOUT_SCROLLING = 8
NO_TERMINALS = "まだ端末が登録されていません"
ENROL_FIRST = "登録コードを発行し、店舗PCのエージェントを登録してください。"

refreshing = st.fragment(run_every=settings().refresh_seconds)


@refreshing
def overview() -> None:
    reading = live.block("fleet.summary", "ダッシュボード", "/api/fleet/summary", headline=True)
    if reading is None:
        return
    if not reading.problem:
        state_sentence(reading.data)
    key_figures(reading)


def state_sentence(summary: dict[str, Any]) -> None:
    terminals, alerts = summary["terminals"], summary["open_alerts"]
    if alerts:
        oldest = summary["oldest_open_alert_at"]
        since = f"最も古いものは{times.ago(times.parse(oldest))}です。" if oldest else ""
        sentence = f"現在、対応が必要なアラートが{alerts:,}件あります。{since}"
        st.error(sentence, icon=":material/notifications_active:")
    elif not terminals["total"]:
        st.info(f"{NO_TERMINALS}。{ENROL_FIRST}", icon=":material/info:")
    else:
        online = terminals["online"] == terminals["total"]
        which = f"全{terminals['total']:,}台がオンラインです" if online else breakdown(terminals)
        st.success(f"現在、対応が必要なアラートはありません。{which}。", icon=":material/check_circle:")


def breakdown(terminals: dict[str, int]) -> str:
    return "、".join(f"{kind.word} {terminals[code]:,}台" for code, kind in TERMINAL.items() if terminals[code])


def key_figures(reading: live.Reading) -> None:
    terminals, alerts, oldest = (reading.data[name] for name in ("terminals", "open_alerts", "oldest_open_alert_at"))
    total, online = terminals["total"], terminals["online"]
    tiles = st.grid(4, min_column_width=TILE_WIDTH, border=True)
    figure(tiles, reading, "総端末数", f"{total:,}台", f"うちメンテナンス中 {terminals['maintenance']:,}台")
    troubled = f"オフライン {terminals['offline']:,}台・エラー {terminals['error']:,}台"
    figure(tiles, reading, "オンライン", f"{online:,}台", troubled)
    waiting = f"最も古いもの {times.ago(times.parse(oldest))}" if oldest else "対応待ちはありません"
    figure(tiles, reading, "アラート", f"{alerts:,}件", waiting)
    with tiles.cell():
        rate = online / total if total else None
        shown = "–" if rate is None else f"{rate:.1%}"
        st.metric("稼働率", faded(shown, reading), help="現在の稼働率です。オンラインの台数 ÷ 総端末数で計算します。")
        st.progress(rate or 0.0)


def figure(tiles: GridContainer, reading: live.Reading, label: str, value: str, note: str) -> None:
    with tiles.cell():
        st.metric(label, faded(value, reading))
        st.markdown(small(note))


def faded(value: str, reading: live.Reading) -> str:
    return f":gray[{value}]" if reading.problem else value


@refreshing
def alerts() -> None:
    reading = live.block("fleet.alerts", "重要アラート", "/api/fleet/alerts", state="open", limit=ALERTS_SHOWN)
    if reading is None:
        return
    items, total = reading.data["items"], reading.data["total"]
    if not items:
        feedback.empty("対応が必要なアラートはありません", "端末の通信が途絶えると、ここに自動で表示されます。")
        return
    with st.container(border=True, height="content" if len(items) <= ALERTS_WITHOUT_SCROLLING else LIST_HEIGHT):
        for alert in items:
            st.markdown(alert_lines(alert))
        if total > len(items):
            st.markdown(small(f"ほかに{total - len(items):,}件あります。古いものから{len(items)}件を表示しています。"))


def alert_lines(alert: dict[str, Any]) -> str:
    """ABC商事 - 新宿店: オフライン (10分前), and below it which terminal, since when and what it said."""
    kind, since = ALERT.get(alert["alert_type"], UNKNOWN), times.parse(alert["created_at"])
    place = plain(f"{alert['customer_name']} - {alert['store_name']}")
    more = plain(f"{times.full(since)}　{alert['serial_number']}　{alert['message']}")
    return f"**{place}**: {kind.badge()} ({times.ago(since)})  \n{small(more)}"


@refreshing
def customers() -> None:
    reading = live.block("fleet.customers", "顧客別状況", "/api/fleet/customers")
    if reading is None:
        return
    items, total = reading.data["items"], reading.data["total"]
    if not items:
        feedback.empty("まだ顧客が登録されていません", "顧客を登録すると、顧客ごとの台数がここに並びます。")
        return
    st.dataframe(
        [{"顧客名": customer["company_name"], **customer["terminals"]} for customer in items],
        column_order=("顧客名", "total", "online", "error", "offline", "maintenance"),
        column_config={
            "total": count_column("端末数", width=68),
            "online": count_column("オンライン", width=84),
            "error": count_column("エラー", width=68),
            "offline": count_column("オフライン", width=84),
            "maintenance": count_column("保守中", width=68, help="メンテナンス中の端末の台数です。"),
        },
        hide_index=True,
        height="content" if len(items) < CUSTOMERS_WITHOUT_SCROLLING else LIST_HEIGHT,
    )
    if total > len(items):
        st.markdown(small(f"全{total:,}社のうち{len(items):,}社を表示しています。"))


@refreshing
def terminals() -> None:
    reading = live.block("fleet.terminals", "端末の状態", "/api/fleet/terminals", limit=TERMINALS_SHOWN)
    if reading is None:
        return
    items, total = reading.data["items"], reading.data["total"]
    if not items:
        feedback.empty(NO_TERMINALS, ENROL_FIRST)
        return
    st.dataframe(
        [terminal_row(terminal) for terminal in items],
        column_config={
            "シリアル番号": st.column_config.TextColumn(width=104),
            "状態": status_column("状態", TERMINAL),
            "エラー内容": st.column_config.TextColumn(width=156),
            "顧客名": st.column_config.TextColumn(width=100),
            "設置店舗名": st.column_config.TextColumn(width=122),
            "最終通信": st.column_config.TextColumn(width=180),
            "CPU": percent_column("CPU", width=56),
            "メモリ": percent_column("メモリ", width=64),
            "ディスク": percent_column("ディスク", width=72),
            "ファームウェア": st.column_config.TextColumn(width=100),
        },
        hide_index=True,
        placeholder="–",
        height="content",
    )
    st.markdown(small(f"全{total:,}台のうち{len(items):,}台を表示しています。対応が必要な端末から順に表示しています。"))


def terminal_row(terminal: dict[str, Any]) -> dict[str, Any]:
    heard = times.parse(terminal["last_heartbeat_at"]) if terminal["last_heartbeat_at"] else None
    return {
        "シリアル番号": terminal["serial_number"],
        "状態": status_cell(terminal["status"], TERMINAL),
        "エラー内容": terminal["error"],
        "顧客名": terminal["customer_name"],
        "設置店舗名": terminal["store_name"],
        "最終通信": f"{times.ago(heard)}（{times.brief(heard)}）" if heard else "通信なし",
        "CPU": terminal["cpu_usage"],
        "メモリ": terminal["memory_usage"],
        "ディスク": terminal["disk_usage"],
        "ファームウェア": terminal["firmware_version"],
    }


overview()
left, right = st.columns([1, 1.05], gap="medium")
with left:
    if may("fleet:alert:read"):
        alerts()
with right:
    if may("fleet:customer:read"):
        customers()
terminals()
