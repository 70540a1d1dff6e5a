"""Working time, by examples from real calendars and by laws that hold for all of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import jpholiday
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.values.times import TOKYO
from service.core.values.working_time import Calendar, add_working_time, calendar, working_time_between

HOLIDAYS = frozenset(day for year in range(2025, 2030) for day, _ in jpholiday.year_holidays(year))
BUSINESS = calendar("business", HOLIDAYS)
ALWAYS = calendar("always", HOLIDAYS)

moments = st.timedeltas(timedelta(), timedelta(days=4 * 365)).map(
    lambda passed: datetime(2025, 1, 1, tzinfo=TOKYO) + passed
)
spans = st.timedeltas(timedelta(), timedelta(hours=200))
calendars = st.sampled_from([ALWAYS, BUSINESS]) | st.sets(
    st.dates(date(2025, 1, 1), date(2028, 12, 31)), max_size=60
).map(lambda days: calendar("business", frozenset(days)))


def tokyo(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=TOKYO)


@pytest.mark.parametrize(
    ("start", "hours", "due"),
    [
        ("2026-11-20 10:00", 2, "2026-11-20 12:00"),  # within a Friday
        ("2026-11-20 17:00", 1, "2026-11-20 18:00"),  # to the minute of closing
        ("2026-11-20 17:00", 2, "2026-11-24 10:00"),  # over a weekend and 勤労感謝の日
        ("2026-11-21 12:00", 2, "2026-11-24 11:00"),  # begun on a Saturday
        ("2026-11-24 06:30", 1, "2026-11-24 10:00"),  # before opening
        ("2026-11-24 18:00", 1, "2026-11-25 10:00"),  # at closing
        ("2026-05-01 17:30", 1, "2026-05-07 09:30"),  # Golden Week: five closed days on end
        ("2026-12-31 17:00", 2, "2027-01-04 10:00"),  # the turn of the year: 元日 is a Friday
        ("2026-09-18 17:00", 10, "2026-09-24 18:00"),  # Silver Week, and a whole day after it
        ("2026-11-21 12:00", 0, "2026-11-21 12:00"),  # no time at all
    ],
)
def test_business_hours_are_counted_as_people_count_them(start: str, hours: int, due: str) -> None:
    found = add_working_time(tokyo(start), timedelta(hours=hours), BUSINESS)

    assert found == tokyo(due)
    assert found.tzinfo is UTC


def test_round_the_clock_knows_no_holiday() -> None:
    assert add_working_time(tokyo("2026-12-31 23:50"), timedelta(minutes=30), ALWAYS) == tokyo("2027-01-01 00:20")


def test_a_day_removed_from_the_holidays_is_worked() -> None:
    worked = calendar("business", HOLIDAYS - {date(2026, 11, 23)})

    assert add_working_time(tokyo("2026-11-20 17:00"), timedelta(hours=2), worked) == tokyo("2026-11-23 10:00")


def test_a_negative_span_is_an_error() -> None:
    with pytest.raises(ValueError, match="negative"):
        add_working_time(tokyo("2026-11-20 17:00"), timedelta(seconds=-1), BUSINESS)


@given(moments, spans, calendars)
def test_the_time_added_is_the_time_between(start: datetime, span: timedelta, of: Calendar) -> None:
    assert working_time_between(start, add_working_time(start, span, of), of) == span


@given(moments, spans, spans, calendars)
def test_adding_twice_is_adding_the_sum(start: datetime, first: timedelta, second: timedelta, of: Calendar) -> None:
    assert add_working_time(add_working_time(start, first, of), second, of) == add_working_time(
        start, first + second, of
    )


@given(moments, moments, spans, calendars)
def test_who_begins_later_is_not_due_earlier(one: datetime, other: datetime, span: timedelta, of: Calendar) -> None:
    earlier, later = sorted((one, other))

    assert add_working_time(earlier, span, of) <= add_working_time(later, span, of)


@given(moments, spans, spans, calendars)
def test_a_longer_span_is_due_later(start: datetime, one: timedelta, other: timedelta, of: Calendar) -> None:
    shorter, longer = sorted((one, other))
    due, later = add_working_time(start, shorter, of), add_working_time(start, longer, of)

    assert start <= due <= later
    assert (due < later) == (shorter < longer)


@given(st.lists(moments, min_size=3, max_size=3), calendars)
def test_working_time_adds_up_and_turns_its_sign(points: list[datetime], of: Calendar) -> None:
    first, middle, last = points

    assert working_time_between(first, middle, of) + working_time_between(middle, last, of) == working_time_between(
        first, last, of
    )
    assert working_time_between(first, last, of) == -working_time_between(last, first, of)


@given(moments, spans)
def test_a_target_never_falls_due_outside_the_hours(start: datetime, span: timedelta) -> None:
    due = add_working_time(start, span, BUSINESS).astimezone(TOKYO)

    assert span == timedelta() or (due.date() not in HOLIDAYS and due.weekday() < 5)
    assert span == timedelta() or timedelta(hours=9) < due - due.replace(hour=0, minute=0, second=0, microsecond=0)
