"""Periods, chart points and rates of the figures: pure functions."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from service.core.values.times import DAY, Month, day_bounds, month_of, parse_month

# Before the first and after the last request: an open end of a period.
BEGINNING, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(9500, 1, 1, tzinfo=UTC)
# The most points of a readable chart.
MAX_POINTS = {"month": 36, "day": 92}
USUAL_POINTS = {"month": 12, "day": 31}


class By(StrEnum):
    """期間フィルタ（月別 / 日別）."""

    MONTH = "month"
    DAY = "day"


class Cancelled(StrEnum):
    """Whether cancelled requests are counted."""

    INCLUDED = "included"
    EXCLUDED = "excluded"


def rate(deficient: int, requests: int) -> int | None:
    """不備率 in percent, rounded half up; None without requests."""
    return (deficient * 200 + requests) // (requests * 2) if requests else None


def period(month: str | None, since: date | None, until: date | None) -> tuple[datetime, datetime]:
    """The first timestamp of the period and the first after it. A month and days are intersected."""
    first, last = BEGINNING, END
    if month is not None:
        first, last = parse_month(month).bounds()
    if since is not None:
        first = max(first, day_bounds(since)[0])
    if until is not None:
        last = min(last, day_bounds(until)[1])
    return first, last


def points(by: By, since: date, until: date) -> list[tuple[date, datetime, datetime]]:
    """The days or months from one day to another, both included, with their bounds, the oldest first."""
    if by is By.DAY:
        days = [since + DAY * number for number in range((until - since).days + 1)]
        return [(day, *day_bounds(day)) for day in days]
    month, months = Month(since.year, since.month), []
    while month.first <= until:
        months.append((month.first, *month.bounds()))
        month = month.plus(1)
    return months


def count_points(by: By, since: date, until: date) -> int:
    if by is By.DAY:
        return (until - since).days + 1
    return (until.year - since.year) * 12 + until.month - since.month + 1


def default_since(by: By, until: date) -> date:
    """The first day of a default chart that ends on this day."""
    if by is By.DAY:
        return until - DAY * (USUAL_POINTS[by.value] - 1)
    return Month(until.year, until.month).plus(1 - USUAL_POINTS[by.value]).first


def previous_month_so_far(now: datetime) -> tuple[datetime, datetime]:
    """The same part of the previous month as has passed of this month, for comparison."""
    month = month_of(now)
    first, end = month.plus(-1).bounds()
    elapsed: timedelta = now - month.bounds()[0]
    return first, min(first + elapsed, end)
