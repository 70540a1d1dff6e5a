"""What a row of `make bench` is made of: runs that were measured, and claims that held or did not."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psutil


@dataclass
class Goal:
    """A claim, what was measured for it, and whether it held."""

    claim: str
    measured: str
    held: bool

    @classmethod
    def at_most(cls, times: float, what: str, measured: float, of: str) -> Goal:
        """`measured` and `times` are multiples of what was measured beside it in the same run."""
        return cls(f"{what} at most {times:g}× {of}", f"{measured:.2f}×", measured <= times)

    @classmethod
    def in_time(cls, what: str, milliseconds: float, runs: Mapping[str, Run]) -> Goal:
        """The slowest of these is answered in time, at its p99."""
        slowest = max(runs, key=lambda name: runs[name].p99_ms)
        run = runs[slowest]
        which = f" ({slowest})" if len(runs) > 1 else ""
        measured = f"{run.p99_ms:.0f} ms, median {run.p50_ms:.0f} ms{which}"
        return cls(f"{what}: p99 under {milliseconds:g} ms", measured, run.p99_ms < milliseconds)

    def line(self) -> str:
        return f"| {self.claim} | {self.measured} | {'yes' if self.held else '**no**'} |"


# Lines of tables, and claims.
Part = tuple[list[str], list[Goal]]


@dataclass(frozen=True)
class Run:
    """One run, or medians over several. `cpu`: microseconds for each answer, by who used them; `cores`: of the machine
    in use meanwhile, whoever used them."""

    answers: int
    per_second: float
    p50_ms: float = 0
    p99_ms: float = 0
    cpu: Mapping[str, float] = field(default_factory=dict)
    cores: float = 0

    @property
    def cpu_micros(self) -> float:
        return sum(self.cpu.values())

    def line(self, name: str, against: str) -> str:
        figures = f"{self.per_second:,.0f} | {self.cpu_micros:,.0f} | {self.p50_ms:.1f} | {self.p99_ms:.1f}"
        return f"| {name} | {figures} | {against} |"


def median_of(runs: Sequence[Run]) -> Run:
    def middle(of: Callable[[Run], float]) -> float:
        return statistics.median(map(of, runs))

    return Run(
        round(middle(lambda run: run.answers)),
        middle(lambda run: run.per_second),
        middle(lambda run: run.p50_ms),
        middle(lambda run: run.p99_ms),
        {who: statistics.median(run.cpu[who] for run in runs) for who in runs[0].cpu},
        middle(lambda run: run.cores),
    )


def percentile(values: Collection[float], percent: int) -> float:
    """The smallest one that so many of a hundred do not exceed."""
    return sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]


class Meter:
    """CPU of some processes, named by what they are, and of the whole machine, from now on."""

    def __init__(self, parts: Mapping[str, Iterable[int]]) -> None:
        self._parts = {who: list(pids) for who, pids in parts.items()}
        self._before = self._used()
        self._begun, self._idle = time.perf_counter(), psutil.cpu_times().idle

    def _used(self) -> dict[str, float]:
        return {who: sum(map(cpu_of, pids)) for who, pids in self._parts.items()}

    def stopped(self, answers: int, seconds: float = 0, p50_ms: float = 0, p99_ms: float = 0) -> Run:
        """`seconds`: that the answers took, if not all the time since."""
        used, passed = self._used(), time.perf_counter() - self._begun
        cores = (os.cpu_count() or 1) - (psutil.cpu_times().idle - self._idle) / passed
        cpu = {who: (used[who] - self._before[who]) / answers * 1e6 for who in used}
        return Run(answers, answers / (seconds or passed), p50_ms, p99_ms, cpu, max(0.0, cores))


def cpu_of(pid: int) -> float:
    """User and system time of the process and its children, those that have ended included."""
    total = 0.0
    root = psutil.Process(pid)
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
            if process.pid == pid:
                total += times.children_user + times.children_system
    return total
