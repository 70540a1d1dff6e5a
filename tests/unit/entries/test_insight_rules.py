"""What counts as unusual."""

from __future__ import annotations

from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from service.entries.insights import rules

DAYS = st.lists(st.integers(0, 1439), min_size=rules.MIN_DAYS + 1, max_size=40)


@given(DAYS)
def test_each_day_is_held_against_the_middle_of_the_others(minutes: list[int]) -> None:
    for place, found in enumerate(rules.unusual_times(minutes)):
        off = round(minutes[place] - median(minutes[:place] + minutes[place + 1 :]))
        assert (found is not None) == (abs(off) >= 90)
        if found:
            assert (found.kind, found.by) == ("late" if off > 0 else "early", abs(off))


def test_few_days_tell_nothing() -> None:
    assert rules.unusual_times([500] * 7 + [1000]) == [None] * 8
    assert rules.unusual_pickups([1] * 7 + [2]) == [None] * 8


def test_one_fetching_by_somebody_else_is_pointed_out() -> None:
    found = rules.unusual_pickups([1, 2, 1, 1, 2, 1, 1, 3, 1])
    assert [place for place, odd in enumerate(found) if odd] == [7]
