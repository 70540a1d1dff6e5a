"""予約詳細: the state of a reservation, why it waits, and what can be done now."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote, urlencode

import streamlit as st

from dashboards.contract.reservations import MessageItem, ReservationDetail
from dashboards.reservations import customer_correction, operation_actions, reservation_parts, words
from dashboards.reservations.operation_actions import PATH
from dashboards.reservations.operation_words import PRIORITY, reservation_timeline_event
from dashboards.reservations.reservation_replay import replay
from dashboards.session import has_permission
from dashboards.ui import details, dialogs, feedback, heading, live, recent, times
from dashboards.ui.links import link, mail, telephone
from dashboards.ui.live import refreshing
from dashboards.ui.status import Status
from dashboards.ui.text import plain, small
from dashboards.ui.timeline import timeline

KEY, TITLE = "reservations.reservation", "予約詳細"
Tone = Literal["good", "waits", "needs_people", "over"]
_CLOSED_STATES = ("payment_timeout", "completed", "cancelled", "refunded")


@refreshing
def show_reservation(code: str) -> bool:
    """Returns False when the reservation does not exist."""
    reading = live.block(KEY, TITLE, f"{PATH}/{quote(code, safe='')}", headline=True, right=_back)
    if reading is None:
        return False
    reservation: ReservationDetail = reading.data
    recent.remember(f"予約 {code}", f"/reservation?code={code}")
    st.markdown(sentence(reservation))
    _progress(reservation)
    _actions(reservation)
    _tasks(reservation)
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.subheader("予約の内容", anchor=False)
        _received_by(reservation)
        reservation_parts.facts(reservation)
        _money(reservation)
    with right:
        _calls(reservation)
        _messages(reservation)
    return True


def _back() -> None:
    link("一覧に戻る", "/reservations")


def sentence(reservation: ReservationDetail) -> str:
    starts_at = times.stamp(reservation["starts_at"])
    service = f"{reservation['service_name']} {reservation['plan_name']}（{starts_at}）"
    since = times.parse(reservation["state_since"])
    return (
        f"**{plain(reservation['code'])}**　**{plain(reservation['customer_name'])}**様の{plain(service)}は "
        f"{words.DISPLAY_STATE[words.display_state(reservation)].badge()} です。  \n"
        + small(plain(f"{times.full(since)}（{times.ago(since)}）からこのステータスです。"))
    )


def tone(reservation: ReservationDetail) -> Tone:
    if any(task["resolved_at"] is None for task in reservation["operations"]):
        return "needs_people"
    if reservation["state"] in _CLOSED_STATES:
        return "over"
    return "good" if reservation["state"] == "confirmed" else "waits"


def _progress(reservation: ReservationDetail) -> None:
    """Why it waits. The customer reads the same text, so that both have the same information on the telephone."""
    draw, icon = {
        "needs_people": (st.warning, "support_agent"),
        "waits": (st.info, "hourglass_top"),
        "good": (st.success, "check_circle"),
        "over": (st.info, "task_alt"),
    }[tone(reservation)]
    next_note = ""
    if reservation["next_action_at"]:
        next_note = f"システムは{times.stamp(reservation['next_action_at'])}に次の処理を行います。"
    draw(
        f"{plain(reservation['progress'])}  \n" + small(plain(f"依頼者への案内と同じ文です。{next_note}")),
        icon=f":material/{icon}:",
    )


def stay() -> None:
    """After an action: the page is drawn again where it is."""


def _actions(reservation: ReservationDetail) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{KEY}.actions"):
        operation_actions.buttons(reservation, stay)
        customer_correction.button(reservation, stay)
        if has_permission("reservations:reservation:contact"):
            dialogs.button("連絡を記録する", contact, reservation, key=f"{KEY}.contact", icon="chat")


def contact(reservation: ReservationDetail) -> None:
    @dialogs.dialog(f"{reservation['code']}の連絡を記録する", width="medium", icon=":material/chat:")
    def ask() -> None:
        operation_actions.contact(reservation, stay)

    ask()


def _received_by(reservation: ReservationDetail) -> None:
    name = reservation["assistant_name"] or reservation["created_by"]
    source = f"AIアシスタント（{name}）" if reservation["assistant_name"] else f"{name or '運営担当者'}"
    st.markdown(small(plain(f"{times.stamp(reservation['created_at'])}に{source}が受付")))


def _tasks(reservation: ReservationDetail) -> None:
    open_tasks = [task for task in reservation["operations"] if task["resolved_at"] is None]
    if not open_tasks:
        return
    st.subheader("対応待ち", anchor=False)
    with st.container(border=True, key=f"{KEY}.tasks"):
        for task in open_tasks:
            due_at = times.parse(task["due_at"])
            late_mark = ":red[期限を過ぎています]　" if due_at < times.now() else ""
            st.markdown(
                f"{PRIORITY[task['priority']].badge()} **{plain(task['title'])}**　{late_mark}"
                + small(plain(f"期限 {times.full(due_at)}"))
            )
            if task["detail"]:
                details.free_text(task["detail"])
        if has_permission("reservations:operation:read"):
            link("手動対応で開く", f"/operations?{urlencode({'q': reservation['code']})}")


def _calls(reservation: ReservationDetail) -> None:
    st.subheader("店舗への電話", anchor=False)
    if not reservation["calls"]:
        feedback.empty(
            "まだ電話をかけていません", "電話が終わると、会話と判定がここに並びます。", icon=":material/call:"
        )
        return
    reservation_parts.calls(reservation, stay, key=KEY)


def _messages(reservation: ReservationDetail) -> None:
    st.subheader("メッセージ", anchor=False)
    if not reservation["messages"]:
        feedback.empty("まだメッセージはありません", "SMSとメールを送ると、ここに並びます。", icon=":material/mail:")
        return
    for message in reservation["messages"]:
        status = words.MESSAGE[message["status"]]
        channel = f"{words.RECIPIENT[message['recipient']]}へ{words.CHANNEL[message['channel']]}"
        time = small(times.short(times.parse(message["sent_at"] or message["created_at"])))
        with st.expander(f"{status.badge()} **{plain(message['purpose_title'])}**　{channel}　{time}"):
            _message(message)


def _message(message: MessageItem) -> None:
    timestamps = {"作成": message["created_at"], "送信": message["sent_at"], "配達": message["delivered_at"]}
    times_text = [f"{label} {times.stamp(at)}" for label, at in timestamps.items() if at]
    tries_note = [f"{message['tries']:,}回試行"] if message["tries"] > 1 else []
    address = (mail if message["channel"] == "mail" else telephone)(message["address"])
    st.markdown(small("　".join((address, *map(plain, (*times_text, *tries_note))))))
    if message["error"]:
        st.error(plain(message["error"]), icon=":material/error:")
    if message["title"]:
        st.markdown(f"**{plain(message['title'])}**")
    details.letter(message["body"])


def _money(reservation: ReservationDetail) -> None:
    st.subheader("決済・返金", anchor=False)
    if not reservation["money"]:
        if reservation["state"] == "cancelled":
            feedback.empty("決済はありません", "決済の前にキャンセルになりました。", icon=":material/payments:")
        else:
            feedback.empty(
                "まだ決済はありません", "決済ページを用意すると、ここに並びます。", icon=":material/payments:"
            )
        return
    with st.container(border=True, gap="small", key=f"{KEY}.money"):
        for entry in reservation["money"]:
            is_refund = entry["kind"] == "refund"
            statuses: dict[str, Status] = words.REFUND if is_refund else words.PAYMENT
            label = f"返金 {entry['number']:,}回目" if is_refund else f"決済 {entry['number']:,}回目"
            time = times.stamp(entry["settled_at"] or entry["at"])
            st.markdown(
                f"{statuses[entry['status']].badge()} **{words.yen(entry['amount'])}**　{label}  \n{small(plain(time))}"
            )
            if entry["error"]:
                st.markdown(f":red[:material/error: {plain(entry['error'])}]")


@refreshing
def history(code: str) -> None:
    """From the page's last answer: it needs no other request."""
    reservation: ReservationDetail | None = live.last_answer(KEY)
    if reservation is None or reservation["code"] != code:
        return
    st.subheader("経過", anchor=False)
    timeline([reservation_timeline_event(event) for event in reservation["timeline"]], key=f"{KEY}.history")


def page() -> None:
    code = st.query_params.get("code", "").strip().upper()
    if not code:
        heading.page(TITLE)
        feedback.empty("予約が選ばれていません", "予約一覧から選んでください。", action=_back)
        return
    if show_reservation(code):
        replay(code)
        history(code)


page()
