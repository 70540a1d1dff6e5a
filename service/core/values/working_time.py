"""Working time: how much of it is between two times, and when a span of it has passed. Pure arithmetic.

A calendar is either around the clock, or opening hours on business days: Monday to Friday without holidays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from service.core.values.times import DAY, at, is_business_day, local_date

# The calendars by name: `always` is around the clock, `business` is 平日 9:00-18:00 without 祝日.
CalendarName = Literal["always", "business"]


@dataclass(frozen=True)
class Hours:
    """The opening hours of business days, Tokyo time."""

    opens: time
    closes: time


@dataclass(frozen=True)
class Calendar:
    """`hours` None: around the clock, without regard to holidays."""

    hours: Hours | None
    holidays: frozenset[date] = field(default_factory=frozenset)

    def opening(self, day: date) -> tuple[datetime, datetime] | None:
        """When the day opens and closes, in UTC; None on a closed day."""
        if self.hours is None or not is_business_day(day, self.holidays):
            return None
        return at(day, self.hours.opens), at(day, self.hours.closes)


HOURS: dict[CalendarName, Hours | None] = {"always": None, "business": Hours(time(9), time(18))}


def calendar(name: CalendarName, holidays: frozenset[date]) -> Calendar:
    return Calendar(HOURS[name], holidays)


def add_working_time(start: datetime, span: timedelta, calendar: Calendar) -> datetime:
    """The first time, not before `start`, at which `span` of working time has passed; in UTC.

    An hour from Friday 17:00 is Friday 18:00, not Monday 9:00; a span of zero from a Saturday is that same time.

    Raises:
        ValueError: the span is negative.
    """
    if span < timedelta():
        raise ValueError("a span of working time cannot be negative")
    start = start.astimezone(UTC)
    if calendar.hours is None:
        return start + span
    remaining, current = span, start
    openings = _openings_from(start, calendar)
    while remaining:
        opens, closes = next(openings)
        current = opens + min(remaining, closes - opens)
        remaining -= current - opens
    return current


def working_time_between(earlier: datetime, later: datetime, calendar: Calendar) -> timedelta:
    """The working time from `earlier` to `later`; negative when they are in the other order."""
    if later < earlier:
        return -working_time_between(later, earlier, calendar)
    if calendar.hours is None:
        return later - earlier
    total = timedelta()
    for opens, closes in _openings_from(earlier.astimezone(UTC), calendar):
        if opens >= later:
            break
        total += min(closes, later) - opens
    return total


def _openings_from(start: datetime, calendar: Calendar) -> Iterator[tuple[datetime, datetime]]:
    """The openings after `start`; one that has begun before is cut off at `start`."""
    day = local_date(start)
    while True:
        opening = calendar.opening(day)
        if opening is not None and opening[1] > start:
            yield max(opening[0], start), opening[1]
        day += DAY
