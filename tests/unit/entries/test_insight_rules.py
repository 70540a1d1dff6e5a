"""Which times and pick-ups of a child count as unusual."""

from __future__ import annotations

from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from service.entries.insights import rules

DAYS = st.lists(st.integers(0, 1439), min_size=rules.MIN_DAYS + 1, max_size=40)


@given(DAYS)
def test_each_day_is_compared_with_the_median_of_the_others(minutes: list[int]) -> None:
    for index, unusual in enumerate(rules.unusual_times(minutes)):
        difference = round(minutes[index] - median(minutes[:index] + minutes[index + 1 :]))
        assert (unusual is not None) == (abs(difference) >= 90)
        if unusual:
            assert (unusual.kind, unusual.by) == ("late" if difference > 0 else "early", abs(difference))


def test_too_few_days_give_no_result() -> None:
    assert rules.unusual_times([500] * 7 + [1000]) == [None] * 8
    assert rules.unusual_pickups([1] * 7 + [2]) == [None] * 8


def test_one_pickup_by_another_parent_is_unusual() -> None:
    results = rules.unusual_pickups([1, 2, 1, 1, 2, 1, 1, 3, 1])
    assert [index for index, unusual in enumerate(results) if unusual] == [7]
