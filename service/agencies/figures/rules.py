"""What the figures are counted of: pure functions."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from service.core.times import DAY, Month, day_bounds, month_of, parse_month

# Before the first and after the last request: an open end of a period.
BEGINNING, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(9500, 1, 1, tzinfo=UTC)
# A chart of more points says nothing.
MOST_POINTS = {"month": 36, "day": 92}
USUAL_POINTS = {"month": 12, "day": 31}


class By(StrEnum):
    """期間フィルタ（月別 / 日別）."""

    MONTH = "month"
    DAY = "day"


class Cancelled(StrEnum):
    """Whether what was cancelled counts among the requests."""

    INCLUDED = "included"
    EXCLUDED = "excluded"


def rate(deficient: int, requests: int) -> int | None:
    """不備率, in percent, halves up; None where nothing was asked for."""
    return (deficient * 200 + requests) // (requests * 2) if requests else None


def period(month: str | None, since: date | None, until: date | None) -> tuple[datetime, datetime]:
    """From the first moment to the one that is no longer part of it; of a month and days, what lies in both."""
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
    month, found = Month(since.year, since.month), []
    while month.first <= until:
        found.append((month.first, *month.bounds()))
        month = month.plus(1)
    return found


def count_of_points(by: By, since: date, until: date) -> int:
    if by is By.DAY:
        return (until - since).days + 1
    return (until.year - since.year) * 12 + until.month - since.month + 1


def usual_since(by: By, until: date) -> date:
    """Where a chart that ends on this day begins."""
    if by is By.DAY:
        return until - DAY * (USUAL_POINTS[by.value] - 1)
    return Month(until.year, until.month).plus(1 - USUAL_POINTS[by.value]).first


def same_days_before(now: datetime) -> tuple[datetime, datetime]:
    """The month before, as far as this one has gone: days of it are compared with as many."""
    month = month_of(now)
    first, end = month.plus(-1).bounds()
    gone: timedelta = now - month.bounds()[0]
    return first, min(first + gone, end)
