"""Learned opening hours: when a terminal is expected to be online, derived from the heartbeats of the last weeks.

Hours are bits: bit n of a day is the hour from n o'clock, Tokyo time. A week is a string of 168 characters 0 and 1,
from Monday 0:00.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from itertools import combinations
from operator import and_

from service.core.values.times import DAY, TOKYO

HOURS = 24
WEEKDAYS = 7
SUNDAY = 6
# The last four days of each weekday that were not holidays; because of holidays this may be more than four weeks.
SAMPLES = 4
LOOK_BACK = 56 * DAY
# With fewer known days since the first heartbeat nothing is learned.
MIN_DAYS = 14
# Openings are derived for this many days; they are learned again each night.
AHEAD_DAYS = 8
# A span that starts at midnight and ends by noon belongs to the evening before.
_NOON = 12


@dataclass(frozen=True)
class Span:
    """Open from one full hour to another; `closes` beyond 24 is on the day after."""

    opens: int
    closes: int


def hour_of_week(at: datetime) -> int:
    """The hour of the week in Tokyo, 0 to 167."""
    local = at.astimezone(TOKYO)
    return local.weekday() * HOURS + local.hour


def expected_hours(samples: Collection[int]) -> int | None:
    """The hours online on at least three of four days (of three or two days: on all of them); None with fewer than two
    days."""
    if len(samples) < 2:
        return None
    needed = min(len(samples), SAMPLES - 1)
    mask = 0
    for subset in combinations(samples, needed):
        mask |= reduce(and_, subset)
    return mask


def learn(observed: Mapping[date, int], holidays: Collection[date]) -> tuple[int, str | None]:
    """The number of known days since the first heartbeat, and the week learned from them; None when these are too few,
    or the days have no hour in common. The first day does not count: it began with the installation."""
    first = min((day for day, hours in observed.items() if hours), default=None)
    known_days = sorted((day for day in observed if first and day > first), reverse=True)
    if len(known_days) < MIN_DAYS:
        return len(known_days), None
    masks = []
    for weekday in range(WEEKDAYS):
        samples = [observed[day] for day in known_days if day.weekday() == weekday and day not in holidays]
        mask = expected_hours(samples[:SAMPLES])
        if mask is None:
            return len(known_days), None
        masks.append(mask)
    return len(known_days), "".join(map(_bit_string, masks)) if any(masks) else None


def _bit_string(mask: int) -> str:
    return f"{mask:0{HOURS}b}"[::-1]


def days_of(week: str) -> list[str]:
    return [week[start : start + HOURS] for start in range(0, len(week), HOURS)]


def next_openings(week: str, first: date, holidays: Collection[date]) -> list[int]:
    """For each hour from the midnight of `first` on: how many hours after that midnight the store opens next, negative
    while it is open; 0 when there is no opening in these days."""
    bits = "".join(_expected_bits(week, first + number * DAY, holidays) for number in range(AHEAD_DAYS))
    openings, opens, after_close = [0] * len(bits), 0, 0
    for hour in reversed(range(len(bits))):
        if bits[hour] == "0":
            openings[hour] = after_close = opens
        else:
            openings[hour], opens = -after_close, hour
    return openings


def _expected_bits(week: str, day: date, holidays: Collection[date]) -> str:
    """The expected hours of a day. On a holiday only the hours that are expected both on that weekday and on Sundays: a
    store that closes on Sundays may close on holidays too."""
    days = days_of(week)
    usual = days[day.weekday()]
    return "".join(map(min, usual, days[SUNDAY])) if day in holidays else usual


def opening_hours(week: str) -> list[list[Span]]:
    """The opening spans of each weekday from Monday; a span over midnight that ends by noon belongs to the evening."""
    days = [_spans(bits) for bits in days_of(week)]
    carried = [_continues(days[number], days[(number + 1) % WEEKDAYS]) for number in range(WEEKDAYS)]
    week_spans = []
    for number, spans in enumerate(days):
        day_spans = spans[1:] if carried[number - 1] else list(spans)
        if carried[number]:
            night = days[(number + 1) % WEEKDAYS][0]
            day_spans[-1] = Span(day_spans[-1].opens, HOURS + night.closes)
        week_spans.append(day_spans)
    return week_spans


def _continues(evening: list[Span], morning: list[Span]) -> bool:
    return bool(
        evening
        and morning
        and evening[-1].closes == HOURS
        and evening[-1].opens
        and not morning[0].opens
        and morning[0].closes <= _NOON
    )


def _spans(bits: str) -> list[Span]:
    edges = [hour for hour in range(HOURS + 1) if (f"0{bits}0"[hour] != f"0{bits}0"[hour + 1])]
    return [Span(opens, closes) for opens, closes in zip(edges[::2], edges[1::2], strict=True)]
