"""端末詳細: what is the matter with this terminal, PC or TC-200, since when, and what is to be done next?"""

from __future__ import annotations

from functools import partial

import streamlit as st

from dashboards.fleet import (
    advice,
    terminal_commands,
    terminal_device,
    terminal_forms,
    terminal_maintenance,
    terminal_metrics,
    terminal_overview,
)
from dashboards.fleet.terminal_reading import KEY, first_look, read
from dashboards.fleet.words import TERMINAL
from dashboards.session import may
from dashboards.ui import bound, dialogs, feedback, figures, heading, live, times
from dashboards.ui.columns import Row
from dashboards.ui.figures import Figure
from dashboards.ui.links import asked_id, link
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
def headline(terminal: Row) -> None:
    title, button = f"{terminal['serial_number']}　{advice.place(terminal)}", partial(diagnose_button, terminal)
    reading = live.block(KEY, title, read, headline=True, right=button, number=terminal["id"])
    if reading is None:
        return
    if not reading.problem:
        state_sentence(reading.data)
    key_figures(reading.data, faded=reading.problem is not None)


def diagnose_button(terminal: Row) -> None:
    if may("fleet:terminal:diagnose") and terminal["archived_at"] is None and terminal["enrolled_at"]:
        st.button(
            "リモート診断を開始する",
            key="terminal.diagnose_now",
            type="primary",
            icon=":material/troubleshoot:",
            on_click=_diagnose,
            args=(terminal["id"],),
        )


def _diagnose(number: int) -> None:
    terminal_commands.order(number, "diagnose")
    bound.put("view", {"view": "diagnosis"})
    dialogs.close()  # The whole page is drawn anew.


def state_sentence(terminal: Row) -> None:
    known, said = advice.advice(terminal), plain(advice.sentence(terminal))
    under_way = next((one for one in terminal["maintenances"] if one["phase"] == "now"), None)
    if under_way:
        until = times.full(times.parse(under_way["ends_at"]))
        st.info(f"{plain(f'{until}までメンテナンス中です。アラートは通知されません。')}{said}", icon=":material/build:")
    elif known is None:
        st.info(said, icon=":material/archive:")
    elif known.tone == "success":
        st.success(said, icon=":material/check_circle:")
    elif known.tone == "error":
        st.error(said, icon=":material/error:")
    else:
        st.info(said, icon=":material/info:")


def key_figures(terminal: Row, *, faded: bool) -> None:
    state, store = terminal["state"], terminal["store"]
    heard = state["last_heartbeat_at"]
    figures.row(
        [
            Figure(
                "状態",
                TERMINAL.get(state["status"], UNKNOWN).word,
                f"{times.ago(times.parse(state['since']))}から",
            ),
            Figure(
                "最終通信",
                times.ago(times.parse(heard)) if heard else "–",
                times.full(times.parse(heard)) if heard else "まだ通信がありません",
            ),
            *(
                Figure(
                    word,
                    f"{state[name]}%" if heard else "–",
                    "最終通信時の値" if heard and state["status"] == "offline" else "",
                    share=state[name] / 100 if heard else 0.0,
                )
                for word, name in (("CPU", "cpu_usage"), ("メモリ", "memory_usage"), ("ディスク", "disk_usage"))
            ),
            Figure(
                "店舗のオンライン",
                f"{store['terminals']['online']:,} / {store['terminals']['total']:,}台",
                store["store"],
            ),
        ],
        faded=faded,
    )


def show(number: int) -> None:
    terminal = first_look(number)
    if terminal is None:
        return
    headline(terminal)
    terminal_forms.buttons(terminal)
    bound.settle("view")
    view = st.segmented_control(
        "表示",
        [*VIEWS],
        default="overview",
        required=True,
        format_func=lambda view: VIEWS[view],
        key=bound.key("view"),
        label_visibility="collapsed",
        bind="query-params",
    )
    match view:
        case "metrics":
            terminal_metrics.show(number)
        case "timeline":
            terminal_overview.history(number)
        case "diagnosis":
            terminal_commands.show(terminal)
        case "maintenance":
            terminal_maintenance.show(terminal)
        case "device":
            terminal_device.show(terminal)
        case _:
            terminal_overview.show(terminal)


asked = asked_id()
if asked is not None:
    show(asked)
else:
    heading.page("端末詳細")
    feedback.empty("端末が指定されていません", "端末一覧から、表示する端末を選んでください。")
    link("端末一覧を開く", "/terminals")
