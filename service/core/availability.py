"""The month's availability from what watchdogs saw: pure arithmetic of times.

A probe speaks for the time from its moment to the next one of the same source and target, and for two of its
intervals at most. Where a target is not spoken for by anybody, nothing is known about it. The product is down while
any source says so of any target (users see the worst part, not the mean), else unknown while any target is unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

# The stricter of the two figures that were promised: 43 minutes a month.
TARGET = timedelta(minutes=43)

State = Literal["up", "down", "unknown"]


@dataclass(frozen=True)
class Run:
    """One source's word on one target from `start` until just before `end`; `down` is None while all was well."""

    source: str
    target: str
    start: datetime
    end: datetime
    down: str | None


@dataclass(frozen=True)
class Stretch:
    """A time in one state. `down`: each target that was down in it, with the words of whoever saw it first."""

    start: datetime
    end: datetime
    state: State
    down: Mapping[str, str] = field(default_factory=dict)

    @property
    def length(self) -> timedelta:
        return self.end - self.start


def stretches(runs: Iterable[Run], targets: Collection[str], start: datetime, end: datetime) -> list[Stretch]:
    """What is known of every moment from `start` to `end`, in order and without gaps; neighbours differ."""
    inside = [run for run in runs if run.start < end and run.end > start]
    edges = sorted({start, end, *(max(run.start, start) for run in inside), *(min(run.end, end) for run in inside)})
    inside.sort(key=lambda run: run.start)
    found: list[Stretch] = []
    current: list[Run] = []
    coming = iter(inside)
    upcoming = next(coming, None)
    for left, right in pairwise(edges):
        current = [run for run in current if run.end > left]
        while upcoming is not None and upcoming.start <= left:
            current.append(upcoming)
            upcoming = next(coming, None)
        now = _between(current, targets, left, right)
        if found and found[-1].state == now.state:
            before = found.pop()
            now = Stretch(before.start, right, now.state, {**now.down, **before.down})
        found.append(now)
    return found


def _between(current: Collection[Run], targets: Collection[str], left: datetime, right: datetime) -> Stretch:
    down: dict[str, str] = {}
    for run in current:
        if run.down is not None:
            down.setdefault(run.target, run.down)
    if down:
        return Stretch(left, right, "down", down)
    spoken_for = {run.target for run in current}
    known = bool(targets) and spoken_for.issuperset(targets)
    return Stretch(left, right, "up" if known else "unknown")


def total(listed: Iterable[Stretch], state: State) -> timedelta:
    return sum((stretch.length for stretch in listed if stretch.state == state), timedelta())


def percent(up: timedelta, down: timedelta) -> float | None:
    """Of the time that is known, cut after three digits: 99.9996 must not read as 100. None: nothing is known."""
    known = up + down
    return int(up / known * 100_000) / 1000 if known else None
