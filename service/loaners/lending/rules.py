"""When a loan is overdue, when a site gets a reminder, and the text of the mail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from service.core.values.labels import Labelled
from service.core.values.times import WEEKDAYS

WEEK = 7


class DueState(Labelled):
    OVERDUE = "overdue", "返却予定日を過ぎた"
    SOON = "soon", "もうすぐ返却予定日"
    NO_DUE = "no_due", "返却予定日なし"


class Stale(Labelled):
    """Why an open loan seems to be forgotten."""

    RETURNABLE = "returnable", "返却可能のまま"
    UNSET = "unset", "ステータス未設定"
    INACTIVE_SITE = "inactive_site", "無効な拠点"
    SILENT = "silent", "更新なし"


def reminder_step(due_on: date, today: date, days_before: int) -> str | None:
    """The reminder step of a loan: before, due, overdue.1 in the first week, overdue.2… None: no reminder yet."""
    remaining = (due_on - today).days
    if remaining > days_before:
        return None
    if remaining > 0:
        return "before"
    return "due" if remaining == 0 else f"overdue.{-(remaining + 1) // WEEK + 1}"


@dataclass(frozen=True)
class DueLoan:
    """A loan that needs a reminder."""

    device_id: int
    loan_event_id: int
    number: str
    model_name: str
    borrower: str
    due_on: date
    step: str


def reminder_mail(site_name: str, due: Sequence[DueLoan], today: date, link: str) -> tuple[str, str]:
    """Subject and text; the longest overdue loan comes first. `link` is the URL of the list."""
    loans = sorted(due, key=lambda loan: (loan.due_on, loan.number))
    overdue = sum(loan.due_on < today for loan in loans)
    summary = (
        f"返却予定日を過ぎた代替機が{overdue}台あります"
        if overdue
        else f"返却予定日の近い代替機が{len(loans)}台あります"
    )
    lines = [f"{site_name}の貸出中の代替機のうち、{summary}。", ""]
    for loan in loans:
        day = f"{loan.due_on:%Y/%m/%d}（{WEEKDAYS[loan.due_on.weekday()]}）"
        lines += [
            f"■ {loan.number}（{loan.model_name}）",
            f"　貸出先: {loan.borrower or '未登録'}",
            f"　返却予定日: {day}　{_remaining_text((loan.due_on - today).days)}",
            "",
        ]
    lines += [
        "返却されたときは、機器のQRコードからステータスを登録してください。返却予定日を延ばすときも、同じフォームで登録できます。",
        f"貸出状況: {link}",
    ]
    return f"【代替機管理】{site_name}: {summary}", "\n".join(lines)


def _remaining_text(days: int) -> str:
    return f"{-days}日超過" if days < 0 else f"あと{days}日" if days else "本日"
