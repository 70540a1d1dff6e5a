"""Opening hours learned from days with heartbeats, compared with a slow implementation of the same rules."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from service.fleet.hours import rules
from service.fleet.hours.rules import Span

DAY = timedelta(days=1)
MONDAY = date(2026, 11, 2)
masks = st.integers(0, 2**24 - 1)
mostly_open = st.sampled_from([0, 0b111 << 9, 0b1111 << 9, (1 << 21) - (1 << 9), 2**24 - 1])


def shop(opens: int, closes: int) -> int:
    return (1 << closes) - (1 << opens)


@given(st.lists(masks, max_size=4))
def test_an_hour_is_expected_if_heard_on_three_of_four_days(samples: list[int]) -> None:
    expected_hours = rules.expected_hours(samples)
    if len(samples) < 2:
        assert expected_hours is None
        return
    needed = {2: 2, 3: 3, 4: 3}[len(samples)]
    slow_result = sum(1 << hour for hour in range(24) if sum(mask >> hour & 1 for mask in samples) >= needed)
    assert expected_hours == slow_result


@given(
    st.dictionaries(st.integers(0, 60), mostly_open, max_size=60),
    st.sets(st.integers(0, 60), max_size=8),
)
def test_a_week_follows_from_the_last_four_of_each_weekday(heard: dict[int, int], closed: set[int]) -> None:
    days = {MONDAY + number * DAY: mask for number, mask in heard.items()}
    holidays = {MONDAY + number * DAY for number in closed}

    known_days, week = rules.learn(days, holidays)

    active_days = [day for day, mask in days.items() if mask]
    usable = {day: mask for day, mask in days.items() if active_days and day > min(active_days)}
    assert known_days == len(usable)
    slow_week = "".join(_slow_hours(usable, holidays, weekday) for weekday in range(7))
    days_by_weekday = [
        [day for day in usable if day.weekday() == weekday and day not in holidays] for weekday in range(7)
    ]
    if known_days < 14 or min(map(len, days_by_weekday)) < 2 or "1" not in slow_week:
        assert week is None
    else:
        assert week == slow_week


def _slow_hours(days: dict[date, int], holidays: set[date], weekday: int) -> str:
    newest = sorted((day for day in days if day.weekday() == weekday and day not in holidays), reverse=True)[:4]
    needed = min(3, len(newest))
    return "".join(str(int(sum(days[day] >> hour & 1 for day in newest) >= needed)) for hour in range(24))


def test_the_hours_of_a_shop_are_learned_after_two_weeks() -> None:
    heard = {MONDAY + number * DAY: shop(9, 21) for number in range(14)}
    assert rules.learn(heard, ()) == (13, None)

    heard[MONDAY + 14 * DAY] = shop(9, 21)
    known_days, week = rules.learn(heard, ())

    assert known_days == 14
    assert week == ("0" * 9 + "1" * 12 + "0" * 3) * 7


def test_a_holiday_is_skipped_and_the_week_before_counts_instead() -> None:
    heard = {MONDAY + number * DAY: shop(9, 21) for number in range(42)}
    closed = [MONDAY + 7 * week * DAY for week in (3, 4)]
    for day in closed:
        heard[day] = 0

    assert rules.learn(heard, closed)[1] == ("0" * 9 + "1" * 12 + "0" * 3) * 7
    assert rules.learn(heard, ())[1] != rules.learn(heard, closed)[1]


def test_one_unusual_day_changes_nothing() -> None:
    heard = {MONDAY + number * DAY: shop(9, 21) for number in range(29)}
    usual = rules.learn(heard, ())
    heard[MONDAY + 20 * DAY] = 0
    heard[MONDAY + 19 * DAY] = 2**24 - 1

    assert rules.learn(heard, ()) == usual


def test_a_terminal_that_was_never_on_has_no_hours() -> None:
    assert rules.learn({MONDAY + number * DAY: 0 for number in range(56)}, ()) == (0, None)


weeks = st.lists(st.tuples(st.sampled_from("01"), st.integers(1, 40)), min_size=1, max_size=60).map(
    lambda runs: ("".join(bit * length for bit, length in runs) * 168)[:168]
)


@given(weeks, st.integers(0, 400), st.sets(st.integers(0, 410)))
def test_each_hour_has_its_next_opening(week: str, start: int, closed: set[int]) -> None:
    """Compares with an hour-by-hour loop. On a holiday a shop is open at most in its Sunday hours."""
    is_open = []
    for hour in range(192):
        number = start + hour // 24
        usual, sunday = week[number % 7 * 24 + hour % 24] == "1", week[6 * 24 + hour % 24] == "1"
        is_open.append(usual and (sunday or number not in closed))

    openings = rules.next_openings(week, MONDAY + start * DAY, {MONDAY + number * DAY for number in closed})

    assert len(openings) == 192
    for hour, opening in enumerate(openings):
        later = hour
        while later < 192 and is_open[later]:
            later += 1
        while later < 192 and not is_open[later]:
            later += 1
        opens = later if later < 192 else 0
        assert opening == (-opens if is_open[hour] else opens)


@given(st.lists(st.sampled_from("01"), min_size=168, max_size=168))
def test_the_spans_of_a_week_cover_all_its_open_hours(bits: list[str]) -> None:
    week = "".join(bits)
    covered = [["0"] * 24 for _ in range(7)]
    for number, spans in enumerate(rules.opening_hours(week)):
        for span in spans:
            assert 0 <= span.opens < 24
            assert span.opens < span.closes <= 36
            for hour in range(span.opens, span.closes):
                day = covered[(number + hour // 24) % 7]
                assert day[hour % 24] == "0"
                day[hour % 24] = "1"
    assert "".join(map("".join, covered)) == week


def test_hours_after_midnight_belong_to_the_evening_before() -> None:
    bar = "1" * 2 + "0" * 16 + "1" * 6
    assert rules.opening_hours(bar * 7) == [[Span(18, 26)]] * 7
    assert rules.opening_hours("1" * 168) == [[Span(0, 24)]] * 7
    assert rules.opening_hours("0" * 24 + ("0" * 9 + "1" * 12 + "0" * 3) * 6)[0] == []
