"""予約詳細: how does this reservation stand, why does it wait, and what can be done now?"""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote, urlencode

import streamlit as st

from dashboards.reservations import customer_correction, operation_actions, reservation_parts, words
from dashboards.reservations.operation_actions import PATH
from dashboards.reservations.operation_words import PRIORITY, happened_to_reservation
from dashboards.reservations.reservation_replay import replay
from dashboards.session import may
from dashboards.ui import dialogs, feedback, heading, live, times
from dashboards.ui.columns import Row
from dashboards.ui.links import link
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status
from dashboards.ui.text import plain, small
from dashboards.ui.timeline import timeline

KEY, TITLE = "reservations.reservation", "予約詳細"
Tone = Literal["good", "waits", "needs_people", "over"]
_OVER = ("payment_timeout", "completed", "cancelled", "refunded")


@refreshing
def shown(code: str) -> bool:
    """Whether there is one."""
    reading = live.block(KEY, TITLE, f"{PATH}/{quote(code, safe='')}", headline=True, right=_back)
    if reading is None:
        return False
    one = reading.data
    st.markdown(sentence(one))
    _progress(one)
    _actions(one)
    _tasks(one)
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.subheader("予約の内容", anchor=False)
        _asked_by(one)
        reservation_parts.facts(one)
        _money(one)
    with right:
        _calls(one)
        _messages(one)
    return True


def _back() -> None:
    link("一覧に戻る", "/reservations")


def sentence(one: Row) -> str:
    at = times.full(times.parse(one["starts_at"]))
    what = f"{one['service_name']} {one['plan_name']}（{at}）"
    since = times.parse(one["state_since"])
    return (
        f"**{plain(one['code'])}**　**{plain(one['customer_name'])}**様の{plain(what)}は "
        f"{words.SHOWN[words.state(one)].badge()} です。  \n"
        + small(plain(f"{times.full(since)}（{times.ago(since)}）からこのステータスです。"))
    )


def tone(one: Row) -> Tone:
    if any(task["resolved_at"] is None for task in one["operations"]):
        return "needs_people"
    if one["state"] in _OVER:
        return "over"
    return "good" if one["state"] == "confirmed" else "waits"


def _progress(one: Row) -> None:
    """Why it waits. The customer is told the same, so that both speak of one thing on the telephone."""
    draw, icon = {
        "needs_people": (st.warning, "support_agent"),
        "waits": (st.info, "hourglass_top"),
        "good": (st.success, "check_circle"),
        "over": (st.info, "task_alt"),
    }[tone(one)]
    moves = ""
    if one["next_action_at"]:
        moves = f"システムは{times.full(times.parse(one['next_action_at']))}に次の処理を行います。"
    draw(
        f"{plain(one['progress'])}  \n" + small(plain(f"依頼者への案内と同じ文です。{moves}")),
        icon=f":material/{icon}:",
    )


def stay() -> None:
    """After an action: the page is drawn anew where it is."""


def _actions(one: Row) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{KEY}.actions"):
        operation_actions.buttons(one, stay)
        customer_correction.button(one, stay)
        if may("reservations:reservation:contact"):
            dialogs.button("連絡を記録する", contact, one, key=f"{KEY}.contact", icon="chat")


def contact(one: Row) -> None:
    @dialogs.dialog(plain(f"{one['code']}の連絡を記録する"), width="medium", icon=":material/chat:")
    def ask() -> None:
        operation_actions.contact(one, stay)

    ask()


def _asked_by(one: Row) -> None:
    who = one["assistant_name"] or one["created_by"]
    how = f"AIアシスタント（{who}）" if one["assistant_name"] else f"{who or '運営担当者'}"
    st.markdown(small(plain(f"{times.full(times.parse(one['created_at']))}に{how}が受付")))


def _tasks(one: Row) -> None:
    waiting = [task for task in one["operations"] if task["resolved_at"] is None]
    if not waiting:
        return
    st.subheader("対応待ち", anchor=False)
    with st.container(border=True, key=f"{KEY}.tasks"):
        for task in waiting:
            due = times.parse(task["due_at"])
            late = ":red[期限を過ぎています]　" if due < times.now() else ""
            st.markdown(
                f"{PRIORITY[task['priority']].badge()} **{plain(task['title'])}**　{late}"
                + small(plain(f"期限 {times.full(due)}"))
            )
            if task["detail"]:
                st.markdown(plain(task["detail"]))
        if may("reservations:operation:read"):
            link("手動対応で開く", f"/operations?{urlencode({'q': one['code']})}")


def _calls(one: Row) -> None:
    st.subheader("店舗への電話", anchor=False)
    if not one["calls"]:
        feedback.empty(
            "まだ電話をかけていません", "電話が終わると、会話と判定がここに並びます。", icon=":material/call:"
        )
        return
    reservation_parts.calls(one, stay, key=KEY)


def _messages(one: Row) -> None:
    st.subheader("メッセージ", anchor=False)
    if not one["messages"]:
        feedback.empty("まだメッセージはありません", "SMSとメールを送ると、ここに並びます。", icon=":material/mail:")
        return
    for letter in one["messages"]:
        status = words.LETTER[letter["status"]]
        how = f"{words.RECIPIENT[letter['recipient']]}へ{words.CHANNEL[letter['channel']]}"
        moment = small(times.brief(times.parse(letter["sent_at"] or letter["created_at"])))
        with st.expander(f"{status.badge()} **{plain(letter['purpose_title'])}**　{how}　{moment}"):
            _letter(letter)


def _letter(letter: Row) -> None:
    moments = [("作成", "created_at"), ("送信", "sent_at"), ("配達", "delivered_at")]
    told = [f"{word} {times.full(times.parse(letter[name]))}" for word, name in moments if letter[name]]
    tries = [f"{letter['tries']:,}回試行"] if letter["tries"] > 1 else []
    st.markdown(small("　".join(plain(part) for part in (letter["address"], *told, *tries))))
    if letter["error"]:
        st.error(plain(letter["error"]), icon=":material/error:")
    if letter["title"]:
        st.markdown(f"**{plain(letter['title'])}**")
    st.text(letter["body"])


def _money(one: Row) -> None:
    st.subheader("決済・返金", anchor=False)
    if not one["money"]:
        if one["state"] == "cancelled":
            feedback.empty("決済はありません", "決済の前にキャンセルになりました。", icon=":material/payments:")
        else:
            feedback.empty(
                "まだ決済はありません", "決済ページを用意すると、ここに並びます。", icon=":material/payments:"
            )
        return
    with st.container(border=True, gap="small", key=f"{KEY}.money"):
        for entry in one["money"]:
            is_refund = entry["kind"] == "refund"
            kinds: dict[str, Status] = words.REFUND if is_refund else words.PAYMENT
            what = f"返金 {entry['number']:,}回目" if is_refund else f"決済 {entry['number']:,}回目"
            at = times.full(times.parse(entry["settled_at"] or entry["at"]))
            st.markdown(
                f"{kinds[entry['status']].badge()} **{words.yen(entry['amount'])}**　{what}  \n{small(plain(at))}"
            )
            if entry["error"]:
                st.markdown(f":red[:material/error: {plain(entry['error'])}]")


@refreshing
def history(code: str) -> None:
    """From the answer that the page has just been given: it costs no other one."""
    one = live.shown(KEY)
    if one is None or one["code"] != code:
        return
    st.subheader("経過", anchor=False)
    timeline([happened_to_reservation(event) for event in one["timeline"]], key=f"{KEY}.history")


def page() -> None:
    code = st.query_params.get("code", "").strip().upper()
    if not code:
        heading.page(TITLE)
        feedback.empty("予約が選ばれていません", "予約一覧から選んでください。", action=_back)
        return
    if shown(code):
        replay(code)
        history(code)


page()
