"""The labels of 手動対応, with their colours and icons."""

from __future__ import annotations

from datetime import timedelta

from dashboards.contract import reservations as contract
from dashboards.contract.reservations import ANSWER, DeskEventItem, HistoryEvent, OperationItem
from dashboards.ui import times
from dashboards.ui.status import Status, statuses
from dashboards.ui.timeline import TimelineEvent

PRIORITY = statuses(
    contract.PRIORITY,
    {
        "urgent": ("red", "e911_emergency"),
        "high": ("orange", "keyboard_double_arrow_up"),
        "medium": ("blue", "keyboard_arrow_up"),
        "low": ("gray", "keyboard_arrow_down"),
    },
)
RESPONSE = {
    "running": Status("期限内", "gray", "timer"),
    "near": Status("期限間近", "orange", "timer"),
    "overdue": Status("期限超過", "red", "alarm"),
    "met": Status("期限内に完了", "green", "check_circle"),
    "missed": Status("期限後に完了", "orange", "check_circle"),
}
# What a call can be corrected to.
ANSWERS = {code: ANSWER[code] for code in ("ok", "refused", "vague", "change_requested", "voicemail", "no_answer")}
_EVENTS = {
    "opened": ("手動対応が発生しました", "alert"),
    "claimed": ("担当になりました", "update"),
    "handed_over": ("担当を引き継ぎました", "update"),
    "released": ("担当を外しました", "update"),
    "note": ("メモ", "comment"),
    "resolved": ("対応を完了しました", "resolve"),
    "closed": ("予約が進み、完了しました", "resolve"),
    "warned": ("期限が近いことを知らせました", "alert"),
    "breached": ("期限を過ぎたことを知らせました", "alert"),
}


def time_left(task: OperationItem) -> str:
    """The working time that is left, or by how much the task is late. For 緊急 every hour counts."""
    if task["resolved_at"]:
        return RESPONSE[task["response"]].label
    span = timedelta(seconds=task["left_seconds"])
    if task["response"] == "overdue":
        return f"{_late(task)}超過"
    return f"あと{times.duration(span)}" if task["priority"] == "urgent" else f"あと{working_time(span)}（営業時間）"


def working_time(span: timedelta) -> str:
    """In hours: a working day has nine of them."""
    minutes = max(0, int(span.total_seconds())) // 60
    hours, remaining = divmod(minutes, 60)
    return f"{hours}時間{f'{remaining}分' if remaining else ''}" if hours else f"{remaining}分"


def _late(task: OperationItem) -> str:
    return times.duration(times.now() - times.parse(task["due_at"]))


def owner(task: OperationItem) -> str:
    return task["owner"]["name"] if task["owner"] else "なし"


def timeline_event(event: HistoryEvent) -> TimelineEvent:
    """An event of the task itself."""
    title, kind = _EVENTS.get(event["kind"], (event["kind"], "update"))
    is_handed_over = event["kind"] == "handed_over"
    text = f"{event['text']}に{title}" if is_handed_over else title
    details = "" if is_handed_over or event["kind"] == "claimed" else event["text"] or ""
    actor = "" if event["by"] == "システム" else event["by"]
    return TimelineEvent(times.parse(event["at"]), text, kind, actor, details=details)


_KINDS_OF_EVENTS = {
    "call_placed": "call",
    "call_ended": "call",
    "link_sent": "sms",
    "sms_failed": "alert",
    "paid": "payment",
    "refund_done": "payment",
    "refunded_otherwise": "payment",
    "refund_failed": "alert",
    "cancel_asked": "cancel",
    "contact_noted": "comment",
    "customer_corrected": "update",
    "requested": "create",
}


def reservation_timeline_event(event: DeskEventItem) -> TimelineEvent:
    title = event["title"] + (f"：{event['state_title']}" if event["state"] != event["state_before"] else "")
    kind = _KINDS_OF_EVENTS.get(event["kind"], "status_change")
    parts = [event["note"], "、".join(event["led_to"])]
    if event["ignored"] and event["kind"] != "contact_noted":
        parts.append(f"変化なし: {event['ignored']}")
    actor = event["by"] or ("" if event["source"] == "system" else event["source_title"])
    details = "　".join(part for part in parts if part)
    return TimelineEvent(times.parse(event["at"]), title, kind, actor, details=details)
