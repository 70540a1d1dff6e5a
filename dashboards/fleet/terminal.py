"""端末詳細: what is wrong with this terminal, the PC or the TC-200, since when, and the next step."""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboards.contract.fleet import TerminalDetail
from dashboards.fleet import (
    advice,
    terminal_commands,
    terminal_device,
    terminal_forms,
    terminal_maintenance,
    terminal_metrics,
    terminal_overview,
)
from dashboards.fleet.terminal_reading import KEY, read, read_first
from dashboards.fleet.words import TERMINAL
from dashboards.session import has_permission
from dashboards.ui import bound, dialogs, feedback, figures, heading, live, recent, times
from dashboards.ui.figures import Figure
from dashboards.ui.links import link, requested_id
from dashboards.ui.live import refreshing
from dashboards.ui.status import UNKNOWN
from dashboards.ui.text import plain

VIEWS = {
    "overview": "概要",
    "metrics": "推移",
    "timeline": "履歴",
    "diagnosis": "診断",
    "maintenance": "メンテナンス",
    "device": "本体・トークン",
}


@refreshing
def headline(terminal: TerminalDetail) -> None:
    title, button = f"{terminal['serial_number']}　{advice.place_text(terminal)}", partial(diagnose_button, terminal)
    reading = live.block(KEY, title, read, headline=True, right=button, terminal_id=terminal["id"])
    if reading is None:
        return
    if not reading.problem:
        state_sentence(reading.data)
    key_figures(reading.data, faded=reading.problem is not None)


def diagnose_button(terminal: TerminalDetail) -> None:
    if has_permission("fleet:terminal:diagnose") and terminal["archived_at"] is None and terminal["enrolled_at"]:
        st.button(
            "リモート診断を開始する",
            key="terminal.diagnose_now",
            type="primary",
            icon=":material/troubleshoot:",
            on_click=_start_diagnosis,
            args=(terminal["id"],),
        )


def _start_diagnosis(terminal_id: int) -> None:
    terminal_commands.send_command(terminal_id, "diagnose")
    bound.set_values("view", {"view": "diagnosis"})
    dialogs.close()  # Reruns the whole page.


def state_sentence(terminal: TerminalDetail) -> None:
    advised, text = advice.advice(terminal), plain(advice.status_text(terminal))
    current_maintenance = next(
        (maintenance for maintenance in terminal["maintenances"] if maintenance["phase"] == "now"), None
    )
    if current_maintenance:
        until = times.stamp(current_maintenance["ends_at"])
        st.info(f"{plain(f'{until}までメンテナンス中です。アラートは通知されません。')}{text}", icon=":material/build:")
    elif advised is None:
        st.info(text, icon=":material/archive:")
    elif advised.tone == "success":
        st.success(text, icon=":material/check_circle:")
    elif advised.tone == "error":
        st.error(text, icon=":material/error:")
    else:
        st.info(text, icon=":material/info:")


def key_figures(terminal: TerminalDetail, *, faded: bool) -> None:
    state, store = terminal["state"], terminal["store"]
    last_heartbeat_at = state["last_heartbeat_at"]
    figures.row(
        [
            Figure(
                "状態",
                TERMINAL.get(state["status"], UNKNOWN).label,
                f"{times.ago(times.parse(state['since']))}から",
            ),
            Figure(
                "最終通信",
                times.ago(times.parse(last_heartbeat_at)) if last_heartbeat_at else "–",
                times.stamp(last_heartbeat_at) or "まだ通信がありません",
            ),
            *(
                Figure(
                    label,
                    f"{usage}%" if last_heartbeat_at else "–",
                    "最終通信時の値" if last_heartbeat_at and state["status"] == "offline" else "",
                    share=usage / 100 if last_heartbeat_at else 0.0,
                )
                for label, usage in (
                    ("CPU", state["cpu_usage"]),
                    ("メモリ", state["memory_usage"]),
                    ("ディスク", state["disk_usage"]),
                )
            ),
            Figure(
                "店舗のオンライン",
                f"{store['terminals']['online']:,} / {store['terminals']['total']:,}台",
                store["store"],
            ),
        ],
        faded=faded,
    )


def show(terminal_id: int) -> None:
    terminal = read_first(terminal_id)
    if terminal is None:
        return
    recent.remember(f"端末 {terminal['serial_number']}", f"/terminal?id={terminal_id}")
    headline(terminal)
    terminal_forms.buttons(terminal)
    bound.apply_values("view")
    view = st.segmented_control(
        "表示",
        [*VIEWS],
        default="overview",
        required=True,
        format_func=lambda view: VIEWS[view],
        key=bound.page_key("view"),
        label_visibility="collapsed",
        bind="query-params",
    )
    match view:
        case "metrics":
            terminal_metrics.show(terminal_id)
        case "timeline":
            terminal_overview.history(terminal_id)
        case "diagnosis":
            terminal_commands.show(terminal)
        case "maintenance":
            terminal_maintenance.show(terminal)
        case "device":
            terminal_device.show(terminal)
        case _:
            terminal_overview.show(terminal)


requested = requested_id()
if requested is not None:
    show(requested)
else:
    heading.page("端末詳細")
    feedback.empty("端末が指定されていません", "端末一覧から、表示する端末を選んでください。")
    link("端末一覧を開く", "/terminals")
