"""The month's availability from watchdogs' probes: pure arithmetic of times.

A probe is valid from its own time to the next probe of the same source and target, but for at most two of its
intervals. Where a target has no valid probe, its state is unknown. The product is down while any source reports any
target as down (users notice the worst part, not the mean), else unknown while any target is unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

# The stricter of the two promised limits of downtime: 43 minutes a month.
MAX_DOWNTIME = timedelta(minutes=43)

State = Literal["up", "down", "unknown"]


@dataclass(frozen=True)
class Run:
    """One source's state of one target from `start` to before `end`; `down` is the reason, None while it was up."""

    source: str
    target: str
    start: datetime
    end: datetime
    down: str | None


@dataclass(frozen=True)
class Period:
    """A period in one state. `down`: each target that was down, with the first reason that was reported."""

    start: datetime
    end: datetime
    state: State
    down: Mapping[str, str] = field(default_factory=dict)

    @property
    def length(self) -> timedelta:
        return self.end - self.start


def timeline(runs: Iterable[Run], targets: Collection[str], start: datetime, end: datetime) -> list[Period]:
    """The states from `start` to `end`, in order and without gaps; adjacent periods have different states."""
    inside = [run for run in runs if run.start < end and run.end > start]
    edges = sorted({start, end, *(max(run.start, start) for run in inside), *(min(run.end, end) for run in inside)})
    inside.sort(key=lambda run: run.start)
    periods: list[Period] = []
    active: list[Run] = []
    run_iterator = iter(inside)
    next_run = next(run_iterator, None)
    for period_start, period_end in pairwise(edges):
        active = [run for run in active if run.end > period_start]
        while next_run is not None and next_run.start <= period_start:
            active.append(next_run)
            next_run = next(run_iterator, None)
        period = _period(active, targets, period_start, period_end)
        if periods and periods[-1].state == period.state:
            previous = periods.pop()
            period = Period(previous.start, period_end, period.state, {**period.down, **previous.down})
        periods.append(period)
    return periods


def _period(active: Collection[Run], targets: Collection[str], start: datetime, end: datetime) -> Period:
    down: dict[str, str] = {}
    for run in active:
        if run.down is not None:
            down.setdefault(run.target, run.down)
    if down:
        return Period(start, end, "down", down)
    known_targets = {run.target for run in active}
    is_known = bool(targets) and known_targets.issuperset(targets)
    return Period(start, end, "up" if is_known else "unknown")


def total(periods: Iterable[Period], state: State) -> timedelta:
    return sum((period.length for period in periods if period.state == state), timedelta())


def percent(up: timedelta, down: timedelta) -> float | None:
    """The percentage of the known time, cut after three digits, because 99.9996 must not become 100. None when no time
    is known."""
    known_time = up + down
    return int(up / known_time * 100_000) / 1000 if known_time else None
