"""Calculation of availability: gaps, overlaps, limits of the Tokyo month."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.monitoring.availability import Run, percent, timeline, total

START = datetime(2026, 10, 31, 15, tzinfo=UTC)
TARGETS = ("dashboards", "service")


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def run(target: str, start: float, end: float, down: str | None = None, source: str = "a") -> Run:
    return Run(source, target, at(start), at(end), down)


def states(runs: list[Run], minutes: int = 60) -> list[tuple[str, float]]:
    return [
        (period.state, period.length / timedelta(minutes=1)) for period in timeline(runs, TARGETS, START, at(minutes))
    ]


def test_without_probes_the_state_is_unknown() -> None:
    assert states([]) == [("unknown", 60)]
    assert percent(timedelta(), timedelta()) is None


def test_one_target_alone_does_not_make_the_product_known() -> None:
    assert states([run("service", 0, 60)]) == [("unknown", 60)]


def test_a_gap_is_unknown_and_neither_up_nor_down() -> None:
    runs = [run(target, *times) for target in TARGETS for times in ((0, 20), (30, 60))]

    assert states(runs) == [("up", 20), ("unknown", 10), ("up", 30)]


def test_one_target_down_is_the_product_down_and_two_at_once_count_once() -> None:
    runs = [
        *(run("service", 0, 10), run("service", 10, 20, "database"), run("service", 20, 60)),
        *(run("dashboards", 0, 15), run("dashboards", 15, 25, "silent"), run("dashboards", 25, 60)),
    ]

    assert states(runs) == [("up", 10), ("down", 15), ("up", 35)]
    outage = timeline(runs, TARGETS, START, at(60))[1]
    assert outage.down == {"service": "database", "dashboards": "silent"}


def test_one_source_that_reports_down_is_enough() -> None:
    runs = [run(target, 0, 60, source=source) for target in TARGETS for source in ("inside", "outside")]
    runs[1] = run("dashboards", 0, 60, source="inside")
    runs += [run("dashboards", 10, 12, "TLS", source="far")]

    assert states(runs) == [("up", 10), ("down", 2), ("up", 48)]


def test_runs_count_only_within_the_period() -> None:
    runs = [run(target, -30, 10, "x") for target in TARGETS] + [run(target, 10, 90) for target in TARGETS]

    assert states(runs) == [("down", 10), ("up", 50)]


@pytest.mark.parametrize(("down", "expected"), [(0, 100.0), (0.01, 99.999), (43, 99.9), (43_200, 0.0)])
def test_a_percentage_is_never_rounded_up(down: float, expected: float) -> None:
    month = timedelta(minutes=43_200)
    downtime = timedelta(minutes=down)
    value = percent(month - downtime, downtime)
    assert value is not None
    assert value == pytest.approx(expected, abs=0.001)
    assert (value == 100) == (down == 0)


some_runs = st.lists(
    st.builds(
        lambda source, target, start, length, down: run(target, start, start + length, "x" if down else None, source),
        st.sampled_from("ab"),
        st.sampled_from(TARGETS),
        st.integers(-30, 90),
        st.integers(1, 40),
        st.booleans(),
    ),
    max_size=12,
)


@given(some_runs)
def test_every_minute_is_counted_once_and_as_the_definition_says(runs: list[Run]) -> None:
    periods = timeline(runs, TARGETS, START, at(60))

    assert periods[0].start == START
    assert periods[-1].end == at(60)
    assert all(left.end == right.start and left.state != right.state for left, right in pairwise(periods))
    assert sum((total(periods, state) for state in ("up", "down", "unknown")), timedelta()) == timedelta(minutes=60)
    for minute in range(60):
        time = at(minute + 0.5)
        current = [probe_run for probe_run in runs if probe_run.start <= time < probe_run.end]
        if any(probe_run.down for probe_run in current):
            expected = "down"
        else:
            expected = "up" if {probe_run.target for probe_run in current} == set(TARGETS) else "unknown"
        assert next(period.state for period in periods if period.start <= time < period.end) == expected
