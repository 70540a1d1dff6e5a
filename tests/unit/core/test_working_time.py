"""Working time: examples from real calendars, and properties that hold for all of them."""

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

timestamps = st.timedeltas(timedelta(), timedelta(days=4 * 365)).map(
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
        ("2026-11-21 12:00", 2, "2026-11-24 11:00"),  # starts on a Saturday
        ("2026-11-24 06:30", 1, "2026-11-24 10:00"),  # before opening
        ("2026-11-24 18:00", 1, "2026-11-25 10:00"),  # at closing
        ("2026-05-01 17:30", 1, "2026-05-07 09:30"),  # Golden Week: five closed days on end
        ("2026-12-31 17:00", 2, "2027-01-04 10:00"),  # the turn of the year: 元日 is a Friday
        ("2026-09-18 17:00", 10, "2026-09-24 18:00"),  # Silver Week, and a whole day after it
        ("2026-11-21 12:00", 0, "2026-11-21 12:00"),  # no time at all
    ],
)
def test_business_hours_are_counted(start: str, hours: int, due: str) -> None:
    result = add_working_time(tokyo(start), timedelta(hours=hours), BUSINESS)

    assert result == tokyo(due)
    assert result.tzinfo is UTC


def test_round_the_clock_has_no_holidays() -> None:
    assert add_working_time(tokyo("2026-12-31 23:50"), timedelta(minutes=30), ALWAYS) == tokyo("2027-01-01 00:20")


def test_a_day_removed_from_the_holidays_is_worked() -> None:
    worked = calendar("business", HOLIDAYS - {date(2026, 11, 23)})

    assert add_working_time(tokyo("2026-11-20 17:00"), timedelta(hours=2), worked) == tokyo("2026-11-23 10:00")


def test_a_negative_span_is_an_error() -> None:
    with pytest.raises(ValueError, match="negative"):
        add_working_time(tokyo("2026-11-20 17:00"), timedelta(seconds=-1), BUSINESS)


@given(timestamps, spans, calendars)
def test_the_time_added_is_the_time_between(start: datetime, span: timedelta, working_calendar: Calendar) -> None:
    assert working_time_between(start, add_working_time(start, span, working_calendar), working_calendar) == span


@given(timestamps, spans, spans, calendars)
def test_adding_twice_is_adding_the_sum(
    start: datetime, first: timedelta, second: timedelta, working_calendar: Calendar
) -> None:
    assert add_working_time(
        add_working_time(start, first, working_calendar), second, working_calendar
    ) == add_working_time(start, first + second, working_calendar)


@given(timestamps, timestamps, spans, calendars)
def test_a_later_start_is_not_due_earlier(
    start_a: datetime, start_b: datetime, span: timedelta, working_calendar: Calendar
) -> None:
    earlier, later = sorted((start_a, start_b))

    assert add_working_time(earlier, span, working_calendar) <= add_working_time(later, span, working_calendar)


@given(timestamps, spans, spans, calendars)
def test_a_longer_span_is_due_later(
    start: datetime, span_a: timedelta, span_b: timedelta, working_calendar: Calendar
) -> None:
    shorter, longer = sorted((span_a, span_b))
    due, later = add_working_time(start, shorter, working_calendar), add_working_time(start, longer, working_calendar)

    assert start <= due <= later
    assert (due < later) == (shorter < longer)


@given(st.lists(timestamps, min_size=3, max_size=3), calendars)
def test_working_time_is_additive_and_changes_sign_when_reversed(
    times: list[datetime], working_calendar: Calendar
) -> None:
    first, middle, last = times

    assert working_time_between(first, middle, working_calendar) + working_time_between(
        middle, last, working_calendar
    ) == working_time_between(first, last, working_calendar)
    assert working_time_between(first, last, working_calendar) == -working_time_between(last, first, working_calendar)


@given(timestamps, spans)
def test_a_target_never_falls_due_outside_the_hours(start: datetime, span: timedelta) -> None:
    due = add_working_time(start, span, BUSINESS).astimezone(TOKYO)

    assert span == timedelta() or (due.date() not in HOLIDAYS and due.weekday() < 5)
    assert span == timedelta() or timedelta(hours=9) < due - due.replace(hour=0, minute=0, second=0, microsecond=0)
