"""Rules of 定期作業 (document sections 4.1.2, 6 and 7.3.2): the schedule of a chore. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import pairwise

from service.core.values.labels import Labelled
from service.core.values.times import DAY, WEEKDAYS, Month, at, business_day, format_local_datetime, is_business_day

WEEK = 7 * DAY
# How far ahead turns are planned: the calendar shows the next quarter.
PLANNING_HORIZON = 13 * WEEK
# End of the working day: turns of the day are overdue afterwards.
CLOSING_TIME = time(18)
# The Slack reminder of overdue turns is sent once on a business day, from this time on.
REMINDER_TIME = time(9)
# 月中: the second third of the month.
MID_MONTH = (11, 20)
QUARTER_MONTHS = (1, 4, 7, 10)
MINUTES_PER_WEEK = 7 * 24 * 60
# Codes of the chores that the code refers to.
WEEKLY_REPORT, MONTHLY_REPORT, BACKUPS = "weekly_report", "monthly_report", "backups"


class Rhythm(Labelled):
    DAILY = "daily", "日次"
    WEEKLY = "weekly", "週次"
    MONTHLY = "monthly", "月次"
    QUARTERLY = "quarterly", "四半期"
    ANYTIME = "anytime", "随時"


class Outcome(Labelled, table="TurnOutcome"):
    DONE = "done", "完了"
    SKIPPED = "skipped", "見送り"


class State(Labelled, table="TurnState"):
    """`now`: it has begun and can be done; `overdue`: it is past `due_at`; `missed`: the next turn has begun, too."""

    PLANNED = "planned", "予定"
    NOW = "now", "実施する時間"
    OVERDUE = "overdue", "期限超過"
    MISSED = "missed", "未実施"
    DONE = "done", "完了"
    SKIPPED = "skipped", "見送り"


@dataclass(frozen=True)
class Plan:
    """The schedule of a chore. `weekday` (ISO) is set for weekly chores; `business_day` for monthly ones, None:
    月中."""

    rhythm: Rhythm
    starts: time
    weekday: int | None = None
    business_day: int | None = None


@dataclass(frozen=True)
class Turn:
    """`slot` identifies the period: the day, the Monday of the week, or the first day of the month. The turn can be
    done from `starts_at`, is overdue after `due_at`, and is replaced by the next turn at `lapses_at`."""

    slot: date
    starts_at: datetime
    due_at: datetime
    lapses_at: datetime


def plan_turns(plan: Plan, since: datetime, until: datetime, holidays: Collection[date]) -> list[Turn]:
    """Turns that are due after `since` and begin before `until`, in order. None for 随時."""
    windows = list(_windows(plan, since, until, holidays))
    planned = [
        Turn(slot, at(first, plan.starts), at(last, CLOSING_TIME), at(following, plan.starts))
        for (slot, first, last), (_, following, _) in pairwise(windows)
    ]
    return [turn for turn in planned if turn.due_at > since and turn.starts_at < until]


def _windows(
    plan: Plan, since: datetime, until: datetime, holidays: Collection[date]
) -> Iterator[tuple[date, date, date]]:
    """Slot, first and last day of each turn, from well before `since` to well after `until`: each requested turn needs
    the one that follows it."""
    day, end = since.date() - 100 * DAY, until.date() + 100 * DAY
    while day < end:
        window = _window(plan, day, holidays)
        if window is not None:
            yield day, *window
        day += DAY


def _window(plan: Plan, day: date, holidays: Collection[date]) -> tuple[date, date] | None:
    """First and last day of the turn, if `day` is a slot of the rhythm. On a holiday, a daily turn is left out and a
    weekly turn moves to the next business day."""
    match plan.rhythm:
        case Rhythm.DAILY if is_business_day(day, holidays):
            return day, day
        case Rhythm.WEEKLY if day.weekday() == 0:
            due_day = next_business_day(day + ((plan.weekday or 1) - 1) * DAY, holidays)
            return due_day, due_day
        case Rhythm.MONTHLY if day.day == 1:
            days = business_days(Month(day.year, day.month), holidays)
            if plan.business_day is None:
                days = [candidate for candidate in days if MID_MONTH[0] <= candidate.day <= MID_MONTH[1]]
            else:
                days = days[: plan.business_day]
            return (days[0], days[-1]) if days else None
        case Rhythm.QUARTERLY if day.day == 1 and day.month in QUARTER_MONTHS:
            days = business_days(Month(day.year, day.month), holidays)
            return (days[0], days[-1]) if days else None
    return None


def business_days(month: Month, holidays: Collection[date]) -> list[date]:
    return [day for day in month.days() if is_business_day(day, holidays)]


def next_business_day(day: date, holidays: Collection[date]) -> date:
    """The first business day on or after `day`; `day` itself when the next 366 days have none."""
    for ahead in range(366):
        if is_business_day(day + ahead * DAY, holidays):
            return day + ahead * DAY
    return day


def format_schedule(rhythm: Rhythm, starts: time, weekday: int | None, day: int | None) -> str:
    """As in the document's tables: 毎営業日 10:00, 金曜日, 月初5営業日以内, 月中, 4/7/10/1月, 随時."""
    match rhythm:
        case Rhythm.DAILY:
            return f"毎営業日 {starts.hour}:{starts:%M}"
        case Rhythm.WEEKLY:
            return f"{WEEKDAYS[(weekday or 1) - 1]}曜日"
        case Rhythm.MONTHLY:
            return f"月初{day}営業日以内" if day else "月中（11〜20日）"
        case Rhythm.QUARTERLY:
            return "4/7/10/1月"
    return rhythm.label


def format_minutes(minutes: int | None) -> str:
    """5分, 1時間, 1時間30分, 1週間; 変動 when there is no estimate."""
    if minutes is None:
        return "変動"
    if minutes and minutes % MINUTES_PER_WEEK == 0:
        return f"{minutes // MINUTES_PER_WEEK}週間"
    hours, rest = divmod(minutes, 60)
    return f"{hours}時間{rest}分" if hours and rest else f"{hours}時間" if hours else f"{rest}分"


@dataclass(frozen=True)
class OverdueTurn:
    title: str
    owner: str
    due_at: datetime


MAX_LISTED = 15


def reminder_message(overdue: Sequence[OverdueTurn]) -> str:
    """The daily Slack message about overdue turns."""
    lines = [
        f"・{turn.title}（{turn.owner}）: 期限は{format_local_datetime(turn.due_at)}でした"
        for turn in overdue[:MAX_LISTED]
    ]
    remaining = len(overdue) - MAX_LISTED
    lines += [f"・ほか{remaining:,}件"] if remaining > 0 else []
    return "\n".join([f"定期作業が{len(overdue):,}件、期限を過ぎています", *lines])


def is_reminder_time(today: date, now: datetime, holidays: Collection[date]) -> bool:
    return is_business_day(today, holidays) and now >= at(today, REMINDER_TIME)


def nth_business_day(month: Month, number: int, holidays: Collection[date]) -> date:
    """The n-th business day of the month, or its last one when it has fewer.

    Raises:
        ValueError: the month has no business day.
    """
    return business_day(month, min(number, len(business_days(month, holidays))), holidays)
