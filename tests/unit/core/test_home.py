"""The order of what is due, against a plain model; and the figures of a week."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.home import rules
from service.core.home.schemas import DueItem, Unit, Whose

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
# Few moments, so that many items are due at the same one.
MOMENTS = st.none() | st.integers(-3, 3).map(lambda hours: NOON + timedelta(hours=hours))


@st.composite
def due_items(draw: st.DrawFn) -> list[DueItem]:
    facts = draw(st.lists(st.tuples(st.sampled_from(Whose), MOMENTS, MOMENTS), max_size=12))
    return [
        DueItem(
            id=f"{number:02}",
            area="fleet",
            kind="アラート",
            title="",
            detail="",
            since=since,
            due_at=due_at,
            whose=whose,
            owner=None,
            step="",
            address="/alerts",
        )
        for number, (whose, due_at, since) in enumerate(facts)
    ]


def is_before(first: DueItem, second: DueItem) -> bool:
    """As a person would say it; the ids are in the order of the list."""
    if (first.whose == "mine") != (second.whose == "mine"):
        return first.whose == "mine"
    if (first.due_at is None) != (second.due_at is None):
        return first.due_at is not None
    one, other = (item.due_at if item.due_at else item.since for item in (first, second))
    if one == other:
        return first.id < second.id
    if one is None or other is None:
        return one is not None
    return one < other


@given(items=due_items(), limit=st.integers(1, 15))
def test_the_users_own_come_first_each_by_the_time_left(items: list[DueItem], limit: int) -> None:
    expected = [
        item for place in range(limit) for item in items if sum(is_before(other, item) for other in items) == place
    ]

    assert rules.most_urgent(items, limit) == expected


def test_a_week_is_compared_with_the_seven_days_before_it() -> None:
    days = rules.two_weeks(date(2026, 11, 20))
    figure = rules.week_figure("予約件数", Unit.COUNT, [*range(14)], sum)

    assert (days[0], days[-1], len(days)) == (date(2026, 11, 6), date(2026, 11, 19), 14)
    assert (figure.before, figure.value) == (0 + 1 + 2 + 3 + 4 + 5 + 6, 7 + 8 + 9 + 10 + 11 + 12 + 13)
    assert figure.series == [*map(float, range(14))]


def test_days_without_a_value_are_no_zero_in_the_trend() -> None:
    figure = rules.week_figure("予約成功率", Unit.PERCENT, [None, 50.0] * 7, lambda days: days[0])

    assert figure.series == [50.0] * 7


@pytest.mark.parametrize(
    ("share", "digits", "percent"),
    [(None, 1, None), (1.0, 1, 100.0), (0.9999, 1, 99.9), (0.99999, 2, 99.99), (0.917, 1, 91.7), (0.0, 1, 0.0)],
)
def test_less_than_the_whole_is_never_a_hundred_percent(
    share: float | None, digits: int, percent: float | None
) -> None:
    assert rules.percent(share, digits) == percent
