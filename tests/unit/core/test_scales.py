"""Axes with readable scales."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.core.reports.scales import axis, label_indexes, number


def test_an_axis_goes_from_zero_in_round_steps() -> None:
    assert axis([3, 47, 12]).ticks == (0, 10, 20, 30, 40, 50)
    assert axis([2880.0]).ticks == (0, 1000, 2000, 3000)


def test_a_count_has_no_half_steps() -> None:
    assert axis([1, 2]).ticks == (0, 1, 2)
    assert axis([0]).ticks == (0, 1)


def test_a_line_of_values_that_lie_close_together_need_not_start_at_zero() -> None:
    narrow = axis([99.52, 99.87], from_zero=False)

    assert narrow.bottom == 99.5
    assert narrow.place(99.5) == 0
    assert axis([10, 99], from_zero=False).bottom == 0


@given(st.lists(st.floats(0, 1e12), min_size=1, max_size=50), st.booleans())
def test_every_value_has_its_place_on_its_axis(values: list[float], from_zero: bool) -> None:
    value_axis = axis(values, from_zero)

    assert all(-1e-6 <= value_axis.place(value) <= 1 + 1e-6 for value in values)
    assert 2 <= len(value_axis.ticks) <= 8


@given(st.integers(0, 1000))
def test_there_are_at_most_twelve_labels(count: int) -> None:
    assert len(label_indexes(count)) <= 12
    assert label_indexes(count)[:1] == list(range(min(count, 1)))


def test_numbers_are_grouped_and_keep_only_the_digits_they_have() -> None:
    assert [number(value) for value in (1234567, 1234.5, 0.1 + 0.2, 40.0)] == ["1,234,567", "1,234.5", "0.3", "40"]
    assert number(1234, 1) == "1,234.0"
