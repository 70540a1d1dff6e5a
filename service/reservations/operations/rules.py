"""Priorities and targets of 手動対応 (document 2.3.2), pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from service.core.calendar import Calendar
from service.core.targets import Target
from service.core.times import in_words, local_date, span_in_words
from service.reservations.events.rules import Task

# What comes up about a reservation within this time stands in the thread of the first.
THREAD_LASTS = timedelta(hours=1)
# So many are told one by one within this time; those beyond are gathered in a message that lists them.
BURST, BURST_WITHIN = 5, timedelta(minutes=5)
# More than can be read at a glance begin another message.
MOST_GATHERED = 30
# How a task ended when its reservation was moved on: by a person of ours, or by itself.
MOVED_ON = "予約を進めて、完了にしました。"
WENT_ON = "予約が先へ進んだため、自動で完了にしました。"
NOBODY_ON_CALL = "営業時間外ですが、オンコール当番が登録されていません。"


class Priority(StrEnum):
    URGENT = "urgent"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


PRIORITY_WORDS = {Priority.URGENT: "緊急", Priority.HIGH: "高", Priority.MEDIUM: "中", Priority.LOW: "低"}
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
TASK_WORDS = {
    Task.ALL_SHOPS_REFUSED: "全店舗予約NG",
    Task.SMS_FAILED: "SMS送信失敗",
    Task.VAGUE_ANSWER: "曖昧な回答",
    Task.CHANGE_REQUESTED: "予約内容の変更依頼",
    Task.LATE_CANCEL: "期限超過後のキャンセル依頼",
    Task.PAYMENT_TROUBLE: "決済の不具合",
    Task.REFUND_FAILED: "返金の失敗",
    Task.DISPUTE: "支払いへの異議",
    Task.CALL_UNCLEAR: "電話の発信状況が不明",
    Task.SECOND_OK: "別の店舗からも予約OK",
    Task.CUSTOMER_ENQUIRY: "依頼者からの問い合わせ",
}
# What Slack is told, in the document's words (2.2); of all others, that somebody has to see to it (4.3.1).
_NOTICES = {
    Task.ALL_SHOPS_REFUSED: "予約ID: {code} が全店NG",
    Task.SMS_FAILED: "予約ID: {code} のSMS送信が全て失敗",
    Task.VAGUE_ANSWER: "予約ID: {code} が曖昧な回答",
    Task.CHANGE_REQUESTED: "予約ID: {code} で変更依頼",
}


def notice(task: Task, code: str) -> str:
    known = _NOTICES.get(task)
    return known.format(code=code) if known else f"予約ID: {code} で手動対応が必要\n{TASK_WORDS[task]}"


def done(text: str, opened_at: datetime, resolved_at: datetime, by: str) -> str:
    """The same message once nobody has to do it any more."""
    return f"【解決済み】{text}\n対応時間: {span_in_words(resolved_at - opened_at)}（{by}）"


@dataclass(frozen=True)
class Told:
    """One of those that a message gathers."""

    notice: str
    opened_at: datetime
    resolved_at: datetime | None


def gathered(told: Sequence[Told]) -> str:
    """What a burst is told in: every notice in the document's words, on a line of its own."""
    left = [one for one in told if one.resolved_at is None]
    if left:
        solved = f"、うち対応済み{len(told) - len(left):,}件" if len(left) < len(told) else ""
        head = f"手動対応が集中しています（{len(told):,}件{solved}）"
    else:
        span = max(one.resolved_at for one in told if one.resolved_at) - min(one.opened_at for one in told)
        head = f"【解決済み】手動対応が集中しました（{len(told):,}件、{span_in_words(span)}）"
    why = f"{int(BURST_WITHIN.total_seconds() // 60)}分間に{BURST}件を超えたため、まとめて通知します。"
    return "\n".join([head, why, *(f"・{_on_a_line(one)}" for one in told)])


def _on_a_line(one: Told) -> str:
    first, _, rest = one.notice.partition("\n")
    mark = "【解決済み】" if one.resolved_at else ""
    return f"{mark}{first}" + (f"（{rest.replace(chr(10), '　')}）" if rest else "")


def is_open(calendar: Calendar, now: datetime) -> bool:
    """Whether people are at their desks."""
    opening = calendar.opening(local_date(now))
    return opening is not None and opening[0] <= now < opening[1]


def call_out(task: Task, code: str, due_at: datetime) -> str:
    """What the person on call reads in an SMS."""
    return f"【予約運用・緊急】予約ID: {code} {TASK_WORDS[task]}。{in_words(due_at)}までに対応してください。"


def warning(task: Task, code: str, due_at: datetime) -> str:
    """Before it is late, while nobody has it."""
    what = f"{TASK_WORDS[task]}（{PRIORITY_WORDS[PRIORITIES[task]]}）"
    return (
        f"予約ID: {code} の手動対応の期限が近づいています\n{what}: 期限は{in_words(due_at)}です。まだ担当者がいません。"
    )


def breach(task: Task, code: str, due_at: datetime) -> str:
    what = f"{TASK_WORDS[task]}（{PRIORITY_WORDS[PRIORITIES[task]]}）"
    return (
        f"予約ID: {code} の手動対応が期限を過ぎました\n{what}: 期限は{in_words(due_at)}でした。まだ担当者がいません。"
    )
