"""When a terminal is expected to be on, as the last weeks have taught: pure functions of days heard of.

Hours are bits: n of a day is the hour from n o'clock, Tokyo time. A week is 168 of them from Monday 0:00, written as
0 and 1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from itertools import combinations
from operator import and_

from service.core.times import DAY, TOKYO

HOURS = 24
WEEKDAYS = 7
SUNDAY = 6
# Of each weekday the last four that were no holidays; holidays make them reach back further than four weeks.
SAMPLES = 4
LOOK_BACK = 56 * DAY
# Fewer days since it was first heard of teach nothing.
FEWEST_DAYS = 14
# So far ahead it is known when a shop opens; it is learned anew each night.
AHEAD_DAYS = 8
# A morning's end of what was still the night before.
_NOON = 12


@dataclass(frozen=True)
class Span:
    """Open from one full hour to another of the same day; `until` beyond 24 is the day after."""

    opens: int
    closes: int


def hour_of_week(moment: datetime) -> int:
    """Which of a week's 168 hours it is in Tokyo."""
    local = moment.astimezone(TOKYO)
    return local.weekday() * HOURS + local.hour


def expected(samples: Collection[int]) -> int | None:
    """The hours heard of on at least three of four days (of three or two: on all of them); None when one day or none
    is known."""
    if len(samples) < 2:
        return None
    needed = min(len(samples), SAMPLES - 1)
    found = 0
    for some in combinations(samples, needed):
        found |= reduce(and_, some)
    return found


def learn(heard: Mapping[date, int], holidays: Collection[date]) -> tuple[int, str | None]:
    """How many days are known since the terminal was first heard of, and the week they teach; None when that is too
    little, or it was never on at the same time. The first day does not count: it began when it was installed."""
    first = min((day for day, hours in heard.items() if hours), default=None)
    known = sorted((day for day in heard if first and day > first), reverse=True)
    if len(known) < FEWEST_DAYS:
        return len(known), None
    masks = []
    for weekday in range(WEEKDAYS):
        same = [heard[day] for day in known if day.weekday() == weekday and day not in holidays]
        mask = expected(same[:SAMPLES])
        if mask is None:
            return len(known), None
        masks.append(mask)
    return len(known), "".join(map(_written, masks)) if any(masks) else None


def _written(mask: int) -> str:
    return f"{mask:0{HOURS}b}"[::-1]


def days_of(week: str) -> list[str]:
    return [week[start : start + HOURS] for start in range(0, len(week), HOURS)]


def ahead(week: str, first: date, holidays: Collection[date]) -> list[int]:
    """Of each hour from the midnight of `first` on: how many hours after that midnight the shop opens next, negative
    while it is open; 0 when no opening is in sight."""
    bits = "".join(_bits(week, first + number * DAY, holidays) for number in range(AHEAD_DAYS))
    openings, opens, after_close = [0] * len(bits), 0, 0
    for hour in reversed(range(len(bits))):
        if bits[hour] == "0":
            openings[hour] = after_close = opens
        else:
            openings[hour], opens = -after_close, hour
    return openings


def _bits(week: str, day: date, holidays: Collection[date]) -> str:
    """On a holiday it is expected only when it is on that weekday and on Sundays too: who closes on Sundays may well
    close on a holiday."""
    days = days_of(week)
    usual = days[day.weekday()]
    return "".join(map(min, usual, days[SUNDAY])) if day in holidays else usual


def opening_hours(week: str) -> list[list[Span]]:
    """Of each weekday from Monday when it opens and closes; a night that ends before noon belongs to the evening."""
    days = [_runs(bits) for bits in days_of(week)]
    carried = [_carries(days[number], days[(number + 1) % WEEKDAYS]) for number in range(WEEKDAYS)]
    told = []
    for number, runs in enumerate(days):
        own = runs[1:] if carried[number - 1] else list(runs)
        if carried[number]:
            night = days[(number + 1) % WEEKDAYS][0]
            own[-1] = Span(own[-1].opens, HOURS + night.closes)
        told.append(own)
    return told


def _carries(evening: list[Span], morning: list[Span]) -> bool:
    return bool(
        evening
        and morning
        and evening[-1].closes == HOURS
        and evening[-1].opens
        and not morning[0].opens
        and morning[0].closes <= _NOON
    )


def _runs(bits: str) -> list[Span]:
    edges = [hour for hour in range(HOURS + 1) if (f"0{bits}0"[hour] != f"0{bits}0"[hour + 1])]
    return [Span(opens, closes) for opens, closes in zip(edges[::2], edges[1::2], strict=True)]
