"""Rules of the fleet, without database or web."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.values.times import clock_skew
from service.fleet import rules


@pytest.mark.parametrize(("interval", "minutes"), [(300, 11), (30, 2), (60, 3)])
def test_silence_is_allowed_for_two_intervals_and_a_minute(interval: int, minutes: int) -> None:
    assert rules.silence_allowed(interval) == timedelta(minutes=minutes)


def test_a_viewer_sees_reports_but_no_lists_and_only_an_admin_registers() -> None:
    assert rules.AREA.roles["viewer"].permissions == {"fleet:report:read"}
    assert [name for name, role in rules.AREA.roles.items() if role.permissions & rules.MANAGE] == ["admin"]


INTERVALS = st.integers(min_value=5, max_value=3600)
TIMESTAMPS = st.floats(min_value=1.7e9, max_value=2.5e9)
IDS = st.integers(min_value=1, max_value=2**63 - 1)


@given(terminal_id=IDS, now=TIMESTAMPS, interval=INTERVALS)
def test_one_step_of_half_to_one_and_a_half_intervals_reaches_the_agents_slot(
    terminal_id: int, now: float, interval: int
) -> None:
    step = rules.next_heartbeat_in(terminal_id, now, interval)

    assert interval / 2 <= step <= interval * 1.5
    assert rules.next_heartbeat_in(terminal_id, now + step, interval) == interval
    assert rules.next_heartbeat_in(terminal_id, now + step + interval, interval) == interval


def test_a_drifting_agent_is_moved_back_to_its_slot() -> None:
    now, interval, offsets = 1.7e9, 300, []
    for _ in range(1000):
        step = rules.next_heartbeat_in(7, now, interval)
        now += step + 0.4  # each response takes a while
        offsets.append(now % interval)

    settled = offsets[1:]
    assert max(settled) - min(settled) < 3


def test_a_fleet_that_returns_at_once_is_spread_evenly() -> None:
    ids = range(1, 20_001)
    returned_at = 1.7e9
    arrivals = Counter(
        int((returned_at + number / 1000 + rules.next_heartbeat_in(number, returned_at + number / 1000, 300)) // 10)
        for number in ids
    )

    # 20,000 in 300 s are 667 in ten seconds; the few that are in their slot already stay there.
    assert max(arrivals.values()) < 1.15 * 667


@pytest.mark.parametrize(("ahead", "seconds"), [(0, 0), (121.4, 121), (-3600, -3600), (1e12, 2**31 - 1)])
def test_a_clocks_skew_is_in_whole_seconds_and_fits_its_column(ahead: float, seconds: int) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    agent_time = now + timedelta(seconds=ahead) if ahead < 1e11 else datetime(9000, 1, 1, tzinfo=UTC)

    assert clock_skew(agent_time, now) == seconds
