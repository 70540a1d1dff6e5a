"""Rhythms of 定期作業 (document sections 4.1.2, 6 and 7.3.2): which days a chore is for. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from itertools import pairwise

from service.core.times import DAY, Month, at, business_day, in_words, is_business_day

WEEK = 7 * DAY
# How far ahead turns are planned: people look at the next quarter.
HORIZON = 13 * WEEK
# People go home; what was for the day is late from then on.
CLOSES = time(18)
# Slack is told of what is overdue once on a business day, from this time on.
TELLS = time(9)
# 月中: the second third of the month.
MIDDLE = (11, 20)
QUARTERS = (1, 4, 7, 10)
A_WEEK_OF_MINUTES = 7 * 24 * 60
# Chores that the product knows more about.
WEEKLY_REPORT, MONTHLY_REPORT, BACKUPS = "weekly_report", "monthly_report", "backups"


class Rhythm(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    ANYTIME = "anytime"


class Outcome(StrEnum):
    DONE = "done"
    SKIPPED = "skipped"


class State(StrEnum):
    """`now`: it may be done since it began; `overdue`: its time is over; `missed`: and the next one has begun."""

    PLANNED = "planned"
    NOW = "now"
    OVERDUE = "overdue"
    MISSED = "missed"
    DONE = "done"
    SKIPPED = "skipped"


RHYTHM_WORDS = {
    Rhythm.DAILY: "日次",
    Rhythm.WEEKLY: "週次",
    Rhythm.MONTHLY: "月次",
    Rhythm.QUARTERLY: "四半期",
    Rhythm.ANYTIME: "随時",
}
STATE_WORDS = {
    State.PLANNED: "予定",
    State.NOW: "実施する時間",
    State.OVERDUE: "期限超過",
    State.MISSED: "未実施",
    State.DONE: "完了",
    State.SKIPPED: "見送り",
}
WEEKDAY_WORDS = {1: "月曜日", 2: "火曜日", 3: "水曜日", 4: "木曜日", 5: "金曜日"}


@dataclass(frozen=True)
class Plan:
    """When a chore is to be done. `weekday` (ISO) is a weekly one's; `business_day` a monthly one's, None for 月中."""

    rhythm: Rhythm
    starts: time
    weekday: int | None = None
    business_day: int | None = None


@dataclass(frozen=True)
class Turn:
    """`slot` is what it is for: a day, a week's Monday, a month's first day. It is time for it from `starts_at` on, it
    is late after `due_at`, and from `lapses_at` on the next one counts."""

    slot: date
    starts_at: datetime
    due_at: datetime
    lapses_at: datetime


def turns(plan: Plan, since: datetime, until: datetime, holidays: Collection[date]) -> list[Turn]:
    """Those that are due after `since` and begin before `until`, in order; none of 随時."""
    windows = list(_windows(plan, since, until, holidays))
    found = [
        Turn(slot, at(first, plan.starts), at(last, CLOSES), at(following, plan.starts))
        for (slot, first, last), (_, following, _) in pairwise(windows)
    ]
    return [turn for turn in found if turn.due_at > since and turn.starts_at < until]


def _windows(
    plan: Plan, since: datetime, until: datetime, holidays: Collection[date]
) -> Iterator[tuple[date, date, date]]:
    """Slot, first and last day of each; from well before `since` until well after `until`, so that the last one that is
    asked for has one that follows it."""
    day, end = since.date() - 100 * DAY, until.date() + 100 * DAY
    while day < end:
        found = _window(plan, day, holidays)
        if found is not None:
            yield day, *found
        day += DAY


def _window(plan: Plan, day: date, holidays: Collection[date]) -> tuple[date, date] | None:
    """From which to which day it can be done, if `day` is a slot of the rhythm. On holidays nobody works: daily ones
    are left out, weekly ones come on the next business day."""
    match plan.rhythm:
        case Rhythm.DAILY if is_business_day(day, holidays):
            return day, day
        case Rhythm.WEEKLY if day.weekday() == 0:
            when = next_business_day(day + ((plan.weekday or 1) - 1) * DAY, holidays)
            return when, when
        case Rhythm.MONTHLY if day.day == 1:
            days = business_days(Month(day.year, day.month), holidays)
            if plan.business_day is None:
                days = [one for one in days if MIDDLE[0] <= one.day <= MIDDLE[1]]
            else:
                days = days[: plan.business_day]
            return (days[0], days[-1]) if days else None
        case Rhythm.QUARTERLY if day.day == 1 and day.month in QUARTERS:
            days = business_days(Month(day.year, day.month), holidays)
            return (days[0], days[-1]) if days else None
    return None


def business_days(month: Month, holidays: Collection[date]) -> list[date]:
    return [day for day in month.days() if is_business_day(day, holidays)]


def next_business_day(day: date, holidays: Collection[date]) -> date:
    """That day, or the first one after it on which people work. A year without any is nobody's calendar."""
    for ahead in range(366):
        if is_business_day(day + ahead * DAY, holidays):
            return day + ahead * DAY
    return day


def state(
    outcome: str | None, starts_at: datetime, due_at: datetime | None, lapses_at: datetime | None, now: datetime
) -> State:
    if outcome is not None:
        return State(outcome)
    if now < starts_at:
        return State.PLANNED
    if due_at is None or now <= due_at:
        return State.NOW
    return State.OVERDUE if lapses_at is None or now < lapses_at else State.MISSED


def when_in_words(rhythm: Rhythm, starts: time, weekday: int | None, day: int | None) -> str:
    """As the document's tables have it: 毎営業日 10:00, 金曜日, 月初5営業日以内, 月中, 4/7/10/1月, 随時."""
    match rhythm:
        case Rhythm.DAILY:
            return f"毎営業日 {starts.hour}:{starts:%M}"
        case Rhythm.WEEKLY:
            return WEEKDAY_WORDS[weekday or 1]
        case Rhythm.MONTHLY:
            return f"月初{day}営業日以内" if day else "月中（11〜20日）"
        case Rhythm.QUARTERLY:
            return "4/7/10/1月"
    return RHYTHM_WORDS[rhythm]


def minutes_in_words(minutes: int | None) -> str:
    """5分, 1時間, 1時間30分, 1週間; 変動 when there is no estimate."""
    if minutes is None:
        return "変動"
    if minutes and minutes % A_WEEK_OF_MINUTES == 0:
        return f"{minutes // A_WEEK_OF_MINUTES}週間"
    hours, rest = divmod(minutes, 60)
    return f"{hours}時間{rest}分" if hours and rest else f"{hours}時間" if hours else f"{rest}分"


@dataclass(frozen=True)
class Late:
    title: str
    owner: str
    due_at: datetime


LISTED = 15


def reminder(late: Sequence[Late]) -> str:
    """The one message of a day about what is overdue."""
    lines = [f"・{one.title}（{one.owner}）: 期限は{in_words(one.due_at)}でした" for one in late[:LISTED]]
    rest = len(late) - LISTED
    lines += [f"・ほか{rest:,}件"] if rest > 0 else []
    return "\n".join([f"定期作業が{len(late):,}件、期限を過ぎています", *lines])


def is_time_to_tell(today: date, now: datetime, holidays: Collection[date]) -> bool:
    return is_business_day(today, holidays) and now >= at(today, TELLS)


def nth_business_day(month: Month, number: int, holidays: Collection[date]) -> date:
    """The month's n-th business day, or its last when there are fewer.

    Raises:
        ValueError: it has none at all.
    """
    return business_day(month, min(number, len(business_days(month, holidays))), holidays)
