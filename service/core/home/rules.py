"""The order of what is due, and the figures of a week. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from typing import TypeVar

from service.core.home.schemas import DueItem, Good, Unit, WeekFigure, Whose
from service.core.values.times import DAY

Day = TypeVar("Day")
WEEK_DAYS = 7
_NEVER = datetime.max.replace(tzinfo=UTC)


def most_urgent(items: Iterable[DueItem], limit: int) -> list[DueItem]:
    """The user's own first; each by the time left, and what has no due time by how long it has waited. Those that are
    equal stay in the order of their lists."""
    return sorted(items, key=_urgency)[:limit]


def _urgency(item: DueItem) -> tuple[bool, bool, datetime]:
    return item.whose is not Whose.MINE, item.due_at is None, item.due_at or item.since or _NEVER


def two_weeks(today: date) -> list[date]:
    """The last fourteen whole days, the oldest first."""
    return [today - DAY * back for back in range(2 * WEEK_DAYS, 0, -1)]


def week_figure(
    title: str,
    unit: Unit,
    days: Sequence[Day],
    reckon: Callable[[Sequence[Day]], float | None],
    good: Good = Good.UP,
) -> WeekFigure:
    """`days`: those of `two_weeks`. `reckon` gives the figure of several days, for example a rate of their sums."""
    return WeekFigure(
        title=title,
        unit=unit,
        good=good,
        value=reckon(days[-WEEK_DAYS:]),
        before=reckon(days[:-WEEK_DAYS]),
        series=[value for day in days if (value := reckon([day])) is not None],
    )


def percent(share: float | None, digits: int = 1) -> float | None:
    """Less than the whole is never 100."""
    if share is None:
        return None
    return 100.0 if share == 1 else min(round(share * 100, digits), 100 - 10**-digits)
