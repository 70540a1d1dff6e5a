"""Times as Japanese text, in Asia/Tokyo."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import streamlit as st

from dashboards.ui import times
from dashboards.ui.times import TOKYO


def tokyo(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=TOKYO)  # type: ignore[misc,arg-type]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    at = tokyo(2026, 11, 21, 9, 5, 7)
    monkeypatch.setattr(times, "now", lambda: at)
    return at


@pytest.mark.parametrize("text", ["2026-11-21T00:05:07Z", "2026-11-21T00:05:07+00:00", "2026-11-21T09:05:07+09:00"])
def test_the_services_times_become_tokyo_time(text: str) -> None:
    assert times.parse(text) == tokyo(2026, 11, 21, 9, 5, 7)
    assert times.parse(text).tzinfo is TOKYO


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (datetime(2026, 11, 21, 0, 5, tzinfo=UTC), "2026/11/21（土）9:05"),
        (datetime(2026, 11, 21, 14, 59, 59, tzinfo=UTC), "2026/11/21（土）23:59"),
        (datetime(2026, 11, 21, 15, 0, tzinfo=UTC), "2026/11/22（日）0:00"),
        (datetime(2026, 12, 31, 15, 0, tzinfo=UTC), "2027/1/1（金）0:00"),
        (datetime(2028, 2, 28, 15, 0, tzinfo=UTC), "2028/2/29（火）0:00"),
    ],
)
def test_a_full_time_names_the_day_in_tokyo(at: datetime, text: str) -> None:
    assert times.full(at) == text


def test_a_time_of_the_service_is_shown_in_full_and_none_as_nothing() -> None:
    assert times.stamp("2026-11-21T00:05:07Z") == "2026/11/21（土）9:05"
    assert times.stamp(None) == ""


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (tokyo(2026, 11, 21, 9, 5), "9:05"),
        (tokyo(2026, 11, 21, 0, 0), "0:00"),
        (tokyo(2026, 11, 20, 23, 59, 59), "11/20 23:59"),
        (tokyo(2026, 1, 1, 0, 0), "1/1 0:00"),
        (tokyo(2025, 12, 31, 23, 59), "2025/12/31"),
        (datetime(2026, 11, 20, 15, 0, tzinfo=UTC), "0:00"),
        (datetime(2026, 11, 20, 14, 59, tzinfo=UTC), "11/20 23:59"),
    ],
)
def test_a_short_time_names_the_day_only_when_it_was_not_today_in_tokyo(now: datetime, at: datetime, text: str) -> None:
    assert times.short(at) == text


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=-5), "0秒"),
        (timedelta(0), "0秒"),
        (timedelta(seconds=59, milliseconds=999), "59秒"),
        (timedelta(seconds=60), "1分"),
        (timedelta(minutes=59, seconds=59), "59分"),
        (timedelta(hours=1), "1時間"),
        (timedelta(hours=3, minutes=12), "3時間12分"),
        (timedelta(hours=23, minutes=59, seconds=59), "23時間59分"),
        (timedelta(days=1), "1日"),
        (timedelta(days=1, minutes=59), "1日"),
        (timedelta(days=2, hours=5), "2日5時間"),
        (timedelta(days=400), "400日"),
    ],
)
def test_a_duration_has_at_most_two_units_and_never_rounds_up(span: timedelta, text: str) -> None:
    assert times.duration(span) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-120, "たった今"),
        (0, "たった今"),
        (4.9, "たった今"),
        (5, "5秒前"),
        (59, "59秒前"),
        (60, "1分前"),
        (720, "12分前"),
        (3600, "1時間前"),
        (86400, "1日前"),
    ],
)
def test_how_long_ago_never_speaks_of_the_future(now: datetime, seconds: float, text: str) -> None:
    assert times.ago(now - timedelta(seconds=seconds)) == text


def test_a_day_alone_is_written_like_the_day_of_a_time() -> None:
    assert times.day(date(2026, 4, 1)) == "2026/4/1（水）"


def test_a_clock_shows_two_digits_each() -> None:
    assert times.clock(datetime(2026, 11, 21, 0, 5, 7, tzinfo=UTC)) == "09:05:07"


@pytest.mark.parametrize("ahead", [timedelta(days=3), timedelta(hours=-2)])
def test_now_is_what_the_services_clock_says(monkeypatch: pytest.MonkeyPatch, ahead: timedelta) -> None:
    state: dict[str, object] = {}
    monkeypatch.setattr(st, "session_state", state)
    assert abs(times.now() - datetime.now(UTC)) < timedelta(seconds=5)

    times.use_service_clock(datetime.now(UTC) + ahead)

    assert abs(times.now() - datetime.now(UTC) - ahead) < timedelta(seconds=5)
    assert times.now().tzinfo is TOKYO


@pytest.mark.parametrize(
    ("minutes", "text"),
    [(0, "たった今"), (59, "59分前"), (60, "1時間前"), (23 * 60 + 59, "23時間前"), (49 * 60, "2日前")],
)
def test_next_to_the_time_itself_one_unit_is_enough(now: datetime, minutes: int, text: str) -> None:
    assert times.ago_rounded(now - timedelta(minutes=minutes)) == text
