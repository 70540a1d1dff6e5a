"""定期作業: on which days a chore is due, over holidays, months and years."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import pairwise

import jpholiday
from hypothesis import given
from hypothesis import strategies as st

from service.core.values.times import TOKYO, is_business_day, local_date
from service.reservations.chores import rules
from service.reservations.chores.rules import OverdueTurn, Plan, Rhythm, Turn

HOLIDAYS = frozenset(day for year in range(2026, 2034) for day, _ in jpholiday.year_holidays(year))


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=TOKYO)  # type: ignore[misc,arg-type]


def turns(plan: Plan, since: datetime, days: int = 31) -> list[Turn]:
    return rules.plan_turns(plan, since, since + timedelta(days=days), HOLIDAYS)


def starts(plan: Plan, since: datetime, days: int = 31) -> list[datetime]:
    return [turn.starts_at.astimezone(TOKYO) for turn in turns(plan, since, days)]


def test_daily_chores_are_on_business_days_and_due_at_the_end_of_the_day() -> None:
    # 2026/11/23（月） is 勤労感謝の日.
    plan = Plan(Rhythm.DAILY, time(10))
    planned = turns(plan, at(2026, 11, 20, 9), days=5)

    assert [turn.slot for turn in planned] == [date(2026, 11, 20), date(2026, 11, 24)]
    assert planned[0].starts_at == at(2026, 11, 20, 10)
    assert planned[0].due_at == at(2026, 11, 20, 18)
    # A turn stays open until the next one begins.
    assert planned[0].lapses_at == planned[1].starts_at == at(2026, 11, 24, 10)


def test_weekly_chores_on_a_holiday_move_to_the_next_business_day() -> None:
    monday, friday = Plan(Rhythm.WEEKLY, time(9), weekday=1), Plan(Rhythm.WEEKLY, time(9), weekday=5)

    assert starts(monday, at(2026, 11, 22), days=7) == [at(2026, 11, 24, 9)]
    # 2027/4/29（木） is 昭和の日, 4/30 is a Friday; 2027/3/19 is a Friday, 3/22（月） the day off for 春分の日.
    assert starts(friday, at(2027, 4, 26), days=6) == [at(2027, 4, 30, 9)]
    # 2030/5/3（金） is 憲法記念日, 5/6（月） the day off for みどりの日.
    assert starts(friday, at(2030, 4, 30), days=9) == [at(2030, 5, 7, 9)]


def test_monthly_chores_last_from_the_first_to_the_nth_business_day() -> None:
    # 2027/1/1（金） is a holiday: the first business day is Monday the 4th.
    [january] = turns(Plan(Rhythm.MONTHLY, time(9), business_day=5), at(2027, 1, 1), days=20)

    assert (january.slot, january.starts_at) == (date(2027, 1, 1), at(2027, 1, 4, 9))
    assert january.due_at == at(2027, 1, 8, 18)
    assert january.lapses_at == at(2027, 2, 1, 9)


def test_the_middle_of_the_month_is_from_the_11th_to_the_20th() -> None:
    [november] = turns(Plan(Rhythm.MONTHLY, time(9)), at(2026, 11, 1), days=25)

    assert (november.starts_at, november.due_at) == (at(2026, 11, 11, 9), at(2026, 11, 20, 18))


def test_quarterly_chores_last_for_all_of_january_april_july_and_october() -> None:
    planned = turns(Plan(Rhythm.QUARTERLY, time(9)), at(2026, 11, 22), days=200)

    assert [turn.slot for turn in planned] == [date(2027, 1, 1), date(2027, 4, 1)]
    assert (planned[1].starts_at, planned[1].due_at) == (at(2027, 4, 1, 9), at(2027, 4, 30, 18))
    assert planned[0].lapses_at == planned[1].starts_at


def test_chores_without_a_schedule_have_no_turns() -> None:
    assert turns(Plan(Rhythm.ANYTIME, time(9)), at(2026, 11, 1), days=300) == []


def test_a_current_turn_is_planned_and_a_past_one_is_not() -> None:
    daily = Plan(Rhythm.DAILY, time(10))

    assert starts(daily, at(2026, 11, 20, 17, 59), days=1) == [at(2026, 11, 20, 10)]
    assert starts(daily, at(2026, 11, 20, 18, 0), days=1) == []


plans = st.one_of(
    st.builds(Plan, st.just(Rhythm.DAILY), st.times(max_value=time(17))),
    st.builds(Plan, st.just(Rhythm.WEEKLY), st.times(max_value=time(17)), weekday=st.integers(1, 5)),
    st.builds(
        Plan,
        st.just(Rhythm.MONTHLY),
        st.times(max_value=time(17)),
        business_day=st.one_of(st.none(), st.integers(1, 15)),
    ),
    st.builds(Plan, st.just(Rhythm.QUARTERLY), st.times(max_value=time(17))),
)


@given(
    plan=plans,
    day=st.dates(date(2026, 1, 1), date(2033, 6, 1)),
    clock=st.times(timezones=st.just(TOKYO)),
    extra_holidays=st.frozensets(st.dates(date(2026, 1, 1), date(2033, 12, 31)), max_size=20),
)
def test_turns_follow_one_another_on_business_days_with_any_holidays(
    plan: Plan, day: date, clock: time, extra_holidays: frozenset[date]
) -> None:
    since = datetime.combine(day, clock)
    holidays = HOLIDAYS | extra_holidays
    planned = rules.plan_turns(plan, since, since + rules.PLANNING_HORIZON, holidays)

    assert len({turn.slot for turn in planned}) == len(planned)
    for turn in planned:
        assert turn.starts_at < turn.due_at
        assert is_business_day(local_date(turn.starts_at), holidays)
        assert is_business_day(local_date(turn.due_at), holidays)
    for turn, following in pairwise(planned):
        assert turn.lapses_at == following.starts_at
        assert turn.starts_at <= following.starts_at
    # Planned again later, the remaining turns are the same.
    later = rules.plan_turns(plan, since + timedelta(days=10), since + rules.PLANNING_HORIZON, holidays)
    assert later == [turn for turn in planned if turn.due_at > since + timedelta(days=10)]


def test_schedules_and_durations_are_formatted_as_in_the_specification() -> None:
    assert rules.format_schedule(Rhythm.DAILY, time(10), None, None) == "毎営業日 10:00"
    assert rules.format_schedule(Rhythm.WEEKLY, time(9), 5, None) == "金曜日"
    assert rules.format_schedule(Rhythm.MONTHLY, time(9), None, 5) == "月初5営業日以内"
    assert rules.format_schedule(Rhythm.MONTHLY, time(9), None, None) == "月中（11〜20日）"
    assert rules.format_schedule(Rhythm.QUARTERLY, time(9), None, None) == "4/7/10/1月"
    assert [rules.format_minutes(minutes) for minutes in (None, 5, 60, 90, 120, 7 * 24 * 60)] == [
        "変動",
        "5分",
        "1時間",
        "1時間30分",
        "2時間",
        "1週間",
    ]


def test_one_message_names_the_overdue_chores_and_has_a_maximum_length() -> None:
    overdue = [OverdueTurn(f"作業{number}", "運営担当者", at(2026, 11, 20, 18)) for number in range(1, 18)]
    text = rules.reminder_message(overdue)

    assert text.startswith(
        "定期作業が17件、期限を過ぎています\n・作業1（運営担当者）: 期限は2026/11/20（金）18:00でした"
    )
    assert "・ほか2件" in text
    assert text.count("\n") == 16


def test_slack_reminders_start_at_nine_on_business_days() -> None:
    assert not rules.is_reminder_time(date(2026, 11, 20), at(2026, 11, 20, 8, 59), HOLIDAYS)
    assert rules.is_reminder_time(date(2026, 11, 20), at(2026, 11, 20, 9, 0), HOLIDAYS)
    assert not rules.is_reminder_time(date(2026, 11, 21), at(2026, 11, 21, 12, 0), HOLIDAYS)
    assert not rules.is_reminder_time(date(2026, 11, 23), at(2026, 11, 23, 12, 0), HOLIDAYS)
