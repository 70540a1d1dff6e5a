"""States of a target: running, near, overdue, met, missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.values.targets import Reading, State, Target, read
from service.core.values.working_time import calendar

NOON = datetime(2026, 11, 20, 3, tzinfo=UTC)  # Friday 12:00 in Tokyo
ALWAYS = calendar("always", frozenset())
BUSINESS = calendar("business", frozenset())
CHECK = Target("first_check", timedelta(minutes=60))


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


@pytest.mark.parametrize(
    ("passed", "state", "remaining"),
    [
        (0, State.RUNNING, 60),
        (44, State.RUNNING, 16),
        (45, State.NEAR, 15),
        (60, State.NEAR, 0),
        (61, State.OVERDUE, -1),
    ],
)
def test_an_open_target_is_running_then_near_then_overdue(passed: int, state: State, remaining: int) -> None:
    due = CHECK.due_at(NOON, ALWAYS)

    assert read(CHECK, due, NOON + minutes(passed), ALWAYS) == Reading(state, minutes(remaining))


@pytest.mark.parametrize(("took", "state"), [(0, State.MET), (60, State.MET), (61, State.MISSED)])
def test_a_finished_target_stays_met_or_missed(took: int, state: State) -> None:
    due = CHECK.due_at(NOON, ALWAYS)
    reading = read(CHECK, due, NOON + timedelta(days=30), ALWAYS, done_at=NOON + minutes(took))

    assert reading == Reading(state, minutes(60 - took))


def test_an_immediate_target_is_near_and_then_overdue() -> None:
    immediate = Target("phone", timedelta())
    due = immediate.due_at(NOON, ALWAYS)

    assert read(immediate, due, NOON, ALWAYS).state == State.NEAR
    assert read(immediate, due, NOON + timedelta(seconds=1), ALWAYS).state == State.OVERDUE


def test_a_night_does_not_use_up_office_hours() -> None:
    mail = Target("mail", timedelta(hours=4), "business")
    friday_16 = NOON + timedelta(hours=4)
    due = mail.due_at(friday_16, BUSINESS)

    assert due == datetime(2026, 11, 23, 2, tzinfo=UTC)  # Monday 11:00
    assert read(mail, due, friday_16 + timedelta(days=1), BUSINESS) == Reading(State.RUNNING, timedelta(hours=2))
    assert read(mail, due, due + timedelta(hours=24), BUSINESS) == Reading(State.OVERDUE, -timedelta(hours=9))


@given(
    st.timedeltas(timedelta(), timedelta(days=365)).map(lambda passed: NOON + passed),
    st.timedeltas(timedelta(), timedelta(days=3)),
    st.sampled_from([ALWAYS, BUSINESS]),
)
def test_the_states_follow_one_another_and_never_go_back(
    start: datetime, later: timedelta, working_calendar: object
) -> None:
    assert isinstance(working_calendar, type(ALWAYS))
    due = CHECK.due_at(start, working_calendar)
    order = [State.RUNNING, State.NEAR, State.OVERDUE]
    positions = [order.index(read(CHECK, due, start + part * later / 10, working_calendar).state) for part in range(11)]

    assert positions == sorted(positions)
