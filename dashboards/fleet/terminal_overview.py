"""端末詳細, 概要 and 履歴: the facts, the card for the phone call, and the whole history."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.client import PAGE_TIMEOUT_SECONDS, ApiProblem
from dashboards.contract.fleet import CONTRACT_TYPE, TerminalDetail, Timeline
from dashboards.fleet import advice, terminal_hours
from dashboards.fleet.incident_drawer import incident_url
from dashboards.fleet.terminal_words import timeline_event
from dashboards.fleet.terminals_table import PATH, installed_text
from dashboards.fleet.words import ALERT
from dashboards.ui import details, feedback, live, times
from dashboards.ui.links import link, mail, telephone
from dashboards.ui.live import refreshing
from dashboards.ui.status import UNKNOWN
from dashboards.ui.tables import Pages
from dashboards.ui.text import plain, small
from dashboards.ui.timeline import timeline

LATEST_EVENTS = 5
EVENTS_PER_PAGE = 50


def show(terminal: TerminalDetail) -> None:
    left, right = st.columns([1, 1.05], gap="medium")
    with left:
        _draw_alerts(terminal)
        _draw_facts(terminal)
        if terminal["archived_at"] is None:
            terminal_hours.show(terminal)
    with right:
        if terminal["archived_at"] is None:
            _draw_repair_card(terminal)


def _draw_alerts(terminal: TerminalDetail) -> None:
    if not terminal["alerts"]:
        return
    st.subheader("未解決のアラート", anchor=False)
    with st.container(border=True, key="terminal.alerts"):
        for alert in terminal["alerts"]:
            since = times.parse(alert["created_at"])
            status = ALERT.get(alert["alert_type"], UNKNOWN)
            time_text = small(plain(f"{times.full(since)}（{times.ago(since)}）"))
            st.markdown(f"{status.badge()} {plain(alert['message'])}  \n{time_text}")
        link("アラート一覧で対応する", incident_url(terminal["alerts"][0]["incident_id"]))


def _draw_facts(terminal: TerminalDetail) -> None:
    state, customer = terminal["state"], terminal["customer"]
    st.subheader("端末の情報", anchor=False)
    connected = {True: "接続中", False: "未接続", None: "不明"}[state["terminal_connected"]]
    if state["terminal_serial"] and state["terminal_serial"] != terminal["serial_number"]:
        connected += f"（つながっている本体: {state['terminal_serial']}）"
    if state["status"] == "offline" and state["terminal_connected"] is not None:
        connected += "（最終通信時）"
    with st.container(border=True, key="terminal.facts"):
        details.facts(
            {
                "シリアル番号": terminal["serial_number"],
                "顧客": customer["company_name"],
                "契約種別": CONTRACT_TYPE.get(customer["contract_type"], ""),
                "設置店舗名": terminal["store_name"],
                "タグ": "、".join(terminal["tags"]),
                "設置日": installed_text(terminal),
                "TC-200": connected,
                "エラー内容": state["error"],
                "ファームウェア": state["firmware_version"],
                "エージェント": state["agent_version"],
                "通信元": state["address"],
                "時計のずれ": _skew_text(state["clock_skew_seconds"]),
                "登録日": times.stamp(terminal["created_at"]),
            }
        )


def _skew_text(seconds: int | None) -> str | None:
    if seconds is None:
        return None
    return f"{abs(seconds):,}秒{'進み' if seconds > 0 else '遅れ'}" if seconds else "なし"


def _draw_repair_card(terminal: TerminalDetail) -> None:
    """For the phone call: whom to call, what happened, what to do, and what to say."""
    advised, customer = advice.advice(terminal), terminal["customer"]
    st.subheader("電話対応カード", anchor=False)
    with st.container(border=True, key="terminal.repair"):
        if advised:
            st.markdown(f"**{plain(advice.next_step_text(advised))}**")
        details.facts(
            {
                "連絡先": f"{customer['company_name']} {customer['contact_person']}様",
                "電話番号": telephone(customer["contact_phone"]),
                "連絡先メール": mail(customer["contact_email"]),
                "原因の見立て": advised.side if advised else "",
            }
        )
        st.markdown(small("直近の出来事"))
        try:
            page: Timeline = session.api(patience=PAGE_TIMEOUT_SECONDS).get(
                f"{PATH}/{terminal['id']}/timeline", limit=LATEST_EVENTS
            )
        except ApiProblem as problem:
            feedback.action_failed(problem)
        else:
            for item in page["items"]:
                event = timeline_event(item)
                time_text = small(plain(f"{times.full(event.at)}（{times.ago(event.at)}）"))
                st.markdown(f"{plain(event.title)}  \n{time_text}")
        st.markdown(small("加盟店への案内文（マウスを重ねると、右上にコピーのボタンが出ます）"))
        st.code(advice.merchant_text(terminal), language=None, wrap_lines=True)


@refreshing
def history(terminal_id: int) -> None:
    pages: Pages | None = st.session_state.get("terminal.history.pages")
    if pages is None or pages.query != {"id": terminal_id}:
        pages = st.session_state["terminal.history.pages"] = Pages({"id": terminal_id})
    reading = live.block(
        "fleet.terminal_timeline",
        "履歴",
        f"{PATH}/{terminal_id}/timeline",
        limit=EVENTS_PER_PAGE,
        cursor=pages.cursors[-1] if pages.cursors else None,
    )
    if reading is None:
        pages.cursors.clear()
        return
    answer: Timeline = reading.data
    pages.next_cursor = answer["next_cursor"]
    timeline(map(timeline_event, answer["items"]), key="terminal.history")
    if pages.number == 1 and pages.next_cursor is None:
        return
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center"):
        st.button(
            "新しい記録へ",
            key="terminal.history.newer",
            icon=":material/chevron_left:",
            on_click=pages.back,
            disabled=not pages.cursors,
        )
        st.markdown(f"{pages.number:,}ページ目", width="content")
        st.button(
            "古い記録へ",
            key="terminal.history.older",
            icon=":material/chevron_right:",
            icon_position="right",
            on_click=pages.forward,
            disabled=pages.next_cursor is None,
        )
