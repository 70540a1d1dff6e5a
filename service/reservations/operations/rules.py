"""Priorities, target times and notification texts of 手動対応 (document 2.3.2). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.core.values.labels import Labelled
from service.core.values.targets import Target
from service.core.values.times import format_duration, format_local_datetime, local_date
from service.core.values.working_time import Calendar
from service.reservations.state_machine.states import Task

# Notifications about a reservation within this time go into the thread of the first.
THREAD_WINDOW = timedelta(hours=1)
# So many tasks within this time are reported one by one; further ones are listed in one message.
BURST_SIZE, BURST_WINDOW = 5, timedelta(minutes=5)
# More tasks start another message.
MAX_BURST_ITEMS = 30
# The outcome of a task when its reservation advanced: by an operator, or automatically.
RESOLVED_BY_OPERATOR = "予約を進めて、完了にしました。"
RESOLVED_AUTOMATICALLY = "予約が先へ進んだため、自動で完了にしました。"
NOBODY_ON_CALL = "営業時間外ですが、オンコール当番が登録されていません。"


class Priority(Labelled):
    URGENT = "urgent", "緊急"
    HIGH = "high", "高"
    MEDIUM = "medium", "中"
    LOW = "low", "低"


# 緊急 runs round the clock with the person on call; the others count 平日 9:00-18:00.
TARGETS = {
    Priority.URGENT: Target("urgent", timedelta(minutes=30), "always"),
    Priority.HIGH: Target("high", timedelta(hours=1), "business"),
    Priority.MEDIUM: Target("medium", timedelta(hours=2), "business"),
    Priority.LOW: Target("low", timedelta(hours=24), "business"),
}
PRIORITIES = {
    Task.ALL_SHOPS_REFUSED: Priority.HIGH,
    Task.SMS_FAILED: Priority.URGENT,
    Task.VAGUE_ANSWER: Priority.HIGH,
    Task.CHANGE_REQUESTED: Priority.MEDIUM,
    Task.LATE_CANCEL: Priority.MEDIUM,
    Task.PAYMENT_TROUBLE: Priority.URGENT,
    Task.REFUND_FAILED: Priority.URGENT,
    Task.DISPUTE: Priority.HIGH,
    Task.CALL_UNCLEAR: Priority.HIGH,
    Task.SECOND_OK: Priority.HIGH,
    Task.CUSTOMER_ENQUIRY: Priority.LOW,
}
# Slack texts in the document's words (2.2); all other tasks get a general text (4.3.1).
_NOTICES = {
    Task.ALL_SHOPS_REFUSED: "予約ID: {code} が全店NG",
    Task.SMS_FAILED: "予約ID: {code} のSMS送信が全て失敗",
    Task.VAGUE_ANSWER: "予約ID: {code} が曖昧な回答",
    Task.CHANGE_REQUESTED: "予約ID: {code} で変更依頼",
}


def operation_notice(task: Task, code: str) -> str:
    template = _NOTICES.get(task)
    return template.format(code=code) if template else f"予約ID: {code} で手動対応が必要\n{task.label}"


def resolved_notice(text: str, opened_at: datetime, resolved_at: datetime, by: str) -> str:
    """The new text of the message once the task is resolved."""
    return f"【解決済み】{text}\n対応時間: {format_duration(resolved_at - opened_at)}（{by}）"


@dataclass(frozen=True)
class BurstItem:
    """A task in the message about a burst."""

    notice: str
    opened_at: datetime
    resolved_at: datetime | None


def burst_notice(items: Sequence[BurstItem]) -> str:
    """The message about a burst: one line per task, in the document's words."""
    open_items = [item for item in items if item.resolved_at is None]
    if open_items:
        resolved_count = f"、うち対応済み{len(items) - len(open_items):,}件" if len(open_items) < len(items) else ""
        headline = f"手動対応が集中しています（{len(items):,}件{resolved_count}）"
    else:
        span = max(item.resolved_at for item in items if item.resolved_at) - min(item.opened_at for item in items)
        headline = f"【解決済み】手動対応が集中しました（{len(items):,}件、{format_duration(span)}）"
    reason = f"{int(BURST_WINDOW.total_seconds() // 60)}分間に{BURST_SIZE}件を超えたため、まとめて通知します。"
    return "\n".join([headline, reason, *(f"・{_burst_line(item)}" for item in items)])


def _burst_line(item: BurstItem) -> str:
    first_line, _, rest = item.notice.partition("\n")
    mark = "【解決済み】" if item.resolved_at else ""
    return f"{mark}{first_line}" + (f"（{rest.replace(chr(10), '　')}）" if rest else "")


def is_business_hours(calendar: Calendar, now: datetime) -> bool:
    """Whether `now` is in business hours."""
    hours = calendar.opening(local_date(now))
    return hours is not None and hours[0] <= now < hours[1]


def on_call_sms(task: Task, code: str, due_at: datetime) -> str:
    """The SMS to the person on call."""
    return f"【予約運用・緊急】予約ID: {code} {task.label}。{format_local_datetime(due_at)}までに対応してください。"


def due_soon_notice(task: Task, code: str, due_at: datetime) -> str:
    """The warning before a task without an owner is overdue."""
    heading = f"予約ID: {code} の手動対応の期限が近づいています"
    return _without_owner(task, heading, f"期限は{format_local_datetime(due_at)}です")


def overdue_notice(task: Task, code: str, due_at: datetime) -> str:
    heading = f"予約ID: {code} の手動対応が期限を過ぎました"
    return _without_owner(task, heading, f"期限は{format_local_datetime(due_at)}でした")


def _without_owner(task: Task, heading: str, due: str) -> str:
    return f"{heading}\n{task.label}（{PRIORITIES[task].label}）: {due}。まだ担当者がいません。"
