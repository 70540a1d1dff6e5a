"""One notification: its text, each attempt to send it, and its actions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.contract.core import MESSAGE_STATE, MessageDetail, MessageItem
from dashboards.menu import page_for_subject
from dashboards.ui import confirm, details, dialogs, feedback, times
from dashboards.ui.links import link, mail, telephone
from dashboards.ui.status import UNKNOWN, statuses
from dashboards.ui.text import plain, small
from dashboards.ui.timeline import TimelineEvent, timeline

PATH = "/api/core/messages"
STATES = statuses(
    MESSAGE_STATE,
    {
        "waiting": ("blue", "schedule"),
        "sending": ("blue", "sync"),
        "retrying": ("orange", "update"),
        "sent": ("green", "check_circle"),
        "dead": ("red", "error"),
        "discarded": ("gray", "delete"),
    },
)
RECIPIENT_LINKS: dict[str, Callable[[str], str]] = {"mail": mail, "sms": telephone, "voice": telephone}
TOPICS = {"mail": "メール", "slack": "Slack", "sms": "SMS", "voice": "電話", "payments": "決済"}
OUTCOMES = {
    None: ("送信しています", "update"),
    "sent": ("送信しました", "resolve"),
    "found": ("前回の送信が届いていたことを確認しました（重ねての送信はしていません）", "resolve"),
    "failed": ("送信できませんでした", "alert"),
    "refused": ("送信できませんでした（再試行しても届かないため、送信を打ち切りました）", "alert"),
    "rate_limited": ("送信先の受付数の上限に達したため、時間をおきます", "update"),
    "unknown": ("送信しましたが、届いたかどうかを確認できませんでした", "alert"),
    "lost": ("送信の途中で処理が止まりました", "alert"),
}


def drawer(row: MessageItem) -> None:
    """Opens next to the list."""

    @dialogs.dialog(row["title"], position="right", width="medium", icon=":material/outgoing_mail:")
    def show() -> None:
        try:
            message: MessageDetail = session.api().get(f"{PATH}/{row['id']}")
        except ApiProblem as problem:
            feedback.failed(problem, key="messages.drawer")
            return
        _facts(message)
        if message["state"] == "dead" and session.has_permission("core:message:resend"):
            with st.container(horizontal=True):
                dialogs.button("再送する", _confirm_resend, message, key="messages.resend", icon="send", type="primary")
                dialogs.button(
                    "破棄する", _confirm_discard, message, key="messages.discard", icon="delete", type="secondary"
                )
        if message["text"]:
            st.markdown(small("本文"))
            with st.container(border=True):
                details.letter(message["text"])
        if page := page_for_subject(message["area"], message["subject"]):
            link(f"「{page.title}」で確認する", page.address(message["subject_id"]))
        st.markdown(small("経過"))
        timeline(_history(message), key="messages.history")

    show()


def _confirm_resend(message: MessageDetail) -> None:
    consequence = f"{message['recipient']} へ、もう一度送信します。"
    if message["in_doubt"]:
        consequence += (
            "前回の送信は、届いたかどうかを確認できていません。"
            "届いていた場合、同じ内容が重ねて届くことがあります。先に相手先へご確認ください。"
        )
    if message["expires_at"]:
        consequence += "この通知の有効期限は無くなります。内容が今も正しいことを確認してから再送してください。"
    confirm.confirm(
        f"messages.resend.{message['id']}",
        f"「{message['title']}」を再送しますか？",
        consequence,
        action="再送する",
        do=lambda _, key: session.api().post(f"{PATH}/{message['id']}/resend", idempotency_key=key),
        success="再送を受け付けました。まもなく送信します。",
        danger=False,
    )


def _confirm_discard(message: MessageDetail) -> None:
    confirm.confirm(
        f"messages.discard.{message['id']}",
        f"「{message['title']}」を破棄しますか？",
        f"{message['recipient']} へは送信しません。破棄した通知は元に戻せません。",
        action="破棄する",
        do=lambda reason, key: session.api().post(
            f"{PATH}/{message['id']}/discard", {"reason": reason}, idempotency_key=key
        ),
        success="通知を破棄しました。",
        reason="required",
    )


def _facts(message: MessageDetail) -> None:
    st.markdown(STATES.get(message["state"], UNKNOWN).badge())
    if message["state"] in ("dead", "retrying") and message["last_error"]:
        (st.error if message["state"] == "dead" else st.warning)(plain(message["last_error"]), icon=":material/error:")
    facts = {
        "宛先": RECIPIENT_LINKS.get(message["topic"], str)(message["recipient"]),
        "種類": TOPICS.get(message["topic"], message["topic"]),
        "作成": times.stamp(message["created_at"]),
        "次の送信": times.stamp(message["next_attempt_at"]),
        "有効期限": times.stamp(message["expires_at"]),
        "送信先での番号": message["external_id"] and details.Code(message["external_id"]),
        "通知番号": details.Code(message["key"]),
    }
    details.facts({label: value for label, value in facts.items() if value})


def _history(message: MessageDetail) -> list[TimelineEvent]:
    events = [TimelineEvent(times.parse(message["created_at"]), "通知を作成しました", "create")]
    for attempt in message["history"]:
        label, kind = OUTCOMES.get(attempt["outcome"], ("結果不明の送信", "update"))
        at = times.parse(attempt["ended_at"] or attempt["started_at"])
        events.append(TimelineEvent(at, f"{attempt['number']}回目: {label}", kind, reason=attempt["error"] or ""))
    if message["dead_at"] and (not message["history"] or message["history"][0]["outcome"] in ("failed", "lost")):
        dead_at = times.parse(message["dead_at"]) + timedelta(milliseconds=1)
        events.append(TimelineEvent(dead_at, "送信を打ち切りました", "cancel", reason=message["last_error"] or ""))
    decided_by = message["decided_by"] or ""
    if message["resent_at"]:
        events.append(
            TimelineEvent(times.parse(message["resent_at"]), "再送を指示しました", "status_change", decided_by)
        )
    if message["discarded_at"]:
        reason = message["discard_reason"] or ""
        events.append(TimelineEvent(times.parse(message["discarded_at"]), "破棄しました", "delete", decided_by, reason))
    return events
