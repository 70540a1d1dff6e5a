"""When a loan is overdue, when a site is reminded of it, and what the mail says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from service.core.times import WEEKDAYS

WEEK = 7


class Stale(StrEnum):
    """What has been forgotten about an open loan, or seems to be."""

    RETURNABLE = "returnable"
    UNSET = "unset"
    INACTIVE_SITE = "inactive_site"
    SILENT = "silent"


STALE_WORDS = {
    Stale.RETURNABLE: "返却可能のまま",
    Stale.UNSET: "ステータス未設定",
    Stale.INACTIVE_SITE: "無効な拠点",
    Stale.SILENT: "更新なし",
}


def step(due_on: date, today: date, days_before: int) -> str | None:
    """The step of the reminders that the loan is at: before, due, overdue.1 in its first week, overdue.2… None: it is
    too early."""
    left = (due_on - today).days
    if left > days_before:
        return None
    if left > 0:
        return "before"
    return "due" if left == 0 else f"overdue.{-(left + 1) // WEEK + 1}"


@dataclass(frozen=True)
class Due:
    """A loan that a site is reminded of."""

    device_id: int
    loan_event_id: int
    number: str
    model_name: str
    borrower: str
    due_on: date
    step: str


def mail(site_name: str, due: Sequence[Due], today: date, link: str) -> tuple[str, str]:
    """Subject and text; what is overdue longest comes first. `link` leads to the list."""
    ordered = sorted(due, key=lambda one: (one.due_on, one.number))
    late = sum(one.due_on < today for one in ordered)
    what = (
        f"返却予定日を過ぎた代替機が{late}台あります" if late else f"返却予定日の近い代替機が{len(ordered)}台あります"
    )
    lines = [f"{site_name}の貸出中の代替機のうち、{what}。", ""]
    for one in ordered:
        day = f"{one.due_on:%Y/%m/%d}（{WEEKDAYS[one.due_on.weekday()]}）"
        lines += [
            f"■ {one.number}（{one.model_name}）",
            f"　貸出先: {one.borrower or '未登録'}",
            f"　返却予定日: {day}　{_left((one.due_on - today).days)}",
            "",
        ]
    lines += [
        "返却されたときは、機器のQRコードからステータスを登録してください。返却予定日を延ばすときも、同じフォームで登録できます。",
        f"貸出状況: {link}",
    ]
    return f"【代替機管理】{site_name}: {what}", "\n".join(lines)


def _left(days: int) -> str:
    return f"{-days}日超過" if days < 0 else f"あと{days}日" if days else "本日"
