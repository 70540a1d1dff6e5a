"""Tokyo's days, months and business days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.values.times import Month, business_day, day_bounds, local_date, month_of, parse_month

TIMESTAMPS = st.timedeltas(timedelta(), timedelta(days=36_500)).map(
    lambda passed: datetime(2000, 1, 2, tzinfo=UTC) + passed
)


def test_a_day_begins_at_midnight_in_tokyo() -> None:
    begins, ends = day_bounds(date(2026, 11, 21))

    assert begins == datetime(2026, 11, 20, 15, tzinfo=UTC)
    assert ends == datetime(2026, 11, 21, 15, tzinfo=UTC)


def test_a_month_spans_the_turn_of_the_year() -> None:
    begins, ends = Month(2026, 12).bounds()

    assert begins == datetime(2026, 11, 30, 15, tzinfo=UTC)
    assert ends == datetime(2026, 12, 31, 15, tzinfo=UTC)


@given(TIMESTAMPS)
def test_every_timestamp_lies_in_its_own_day_and_month(timestamp: datetime) -> None:
    for begins, ends in (day_bounds(local_date(timestamp)), month_of(timestamp).bounds()):
        assert begins <= timestamp < ends


@given(TIMESTAMPS, st.integers(-500, 500))
def test_months_are_counted_forwards_and_back(timestamp: datetime, months: int) -> None:
    month = month_of(timestamp)

    assert month.plus(months).plus(-months) == month
    assert (month.plus(months) > month) == (months > 0)


def test_a_month_is_parsed_and_formatted() -> None:
    assert parse_month("2026-11") == Month(2026, 11)
    assert str(Month(2026, 3)) == "2026-03"


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-00", "26-11", "2026/11", "2026-1", "1999-12", "２０２６-11"]
)
def test_an_invalid_month_is_refused_with_a_message(text: str) -> None:
    with pytest.raises(ValueError, match="指定してください"):
        parse_month(text)


def test_business_days_leave_out_weekends_and_holidays() -> None:
    golden_week = {date(2026, 4, 29), date(2026, 5, 3), date(2026, 5, 4), date(2026, 5, 5), date(2026, 5, 6)}

    assert business_day(Month(2026, 5), 1, golden_week) == date(2026, 5, 1)
    assert business_day(Month(2026, 5), 2, golden_week) == date(2026, 5, 7)
    assert business_day(Month(2026, 5), 5, golden_week) == date(2026, 5, 12)


@pytest.mark.parametrize("number", [-1, 0, 24])
def test_a_business_day_that_a_month_does_not_have_is_an_error(number: int) -> None:
    with pytest.raises(ValueError, match="no business day"):
        business_day(Month(2026, 5), number, set())


def test_a_local_day_is_always_24_hours_long() -> None:
    day = date(2026, 1, 1)
    while day.year == 2026:
        begins, ends = day_bounds(day)
        assert ends - begins == timedelta(hours=24)
        day += timedelta(days=1)
