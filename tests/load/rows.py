"""The parts of a row of `make bench`: measured runs, and claims that hold or do not."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from tests.load.machine import slowness


@dataclass
class Claim:
    """A claim, what was measured for it, and whether it holds."""

    text: str
    measured: str
    holds: bool

    @classmethod
    def at_most(cls, times: float, text: str, measured: float, baseline: str) -> Claim:
        """`measured` and `times` are multiples of `baseline`, which was measured in the same run."""
        return cls(f"{text} at most {times:g}× {baseline}", f"{measured:.2f}×", measured <= times)

    @classmethod
    def under(cls, limit: float, unit: str, text: str, measured: float, more: str = "", digits: int = 0) -> Claim:
        """A limit of time on the machine of the published table; `machine.slowness` moves it. `more` stands behind what
        was measured."""
        is_held = measured < limit * slowness()
        return cls(f"{text} under {limit:g} {unit}", f"{measured:.{digits}f} {unit}{more}", is_held)

    @classmethod
    def in_time(cls, text: str, milliseconds: float, runs: Mapping[str, Run]) -> Claim:
        """The slowest of these runs has its p99 under the limit."""
        slowest = max(runs, key=lambda name: runs[name].p99_ms)
        run = runs[slowest]
        suffix = f" ({slowest})" if len(runs) > 1 else ""
        return cls.under(milliseconds, "ms", f"{text}: p99", run.p99_ms, f", median {run.p50_ms:.0f} ms{suffix}")

    def line(self) -> str:
        return f"| {self.text} | {self.measured} | {'yes' if self.holds else '**no**'} |"


# Lines of tables, and claims.
RowResult = tuple[list[str], list[Claim]]


@dataclass(frozen=True)
class Run:
    """One run, or medians over several. `cpu`: microseconds for each answer, by process; `cores`: cores of the machine
    in use by any process."""

    answers: int
    per_second: float
    p50_ms: float = 0
    p99_ms: float = 0
    cpu: Mapping[str, float] = field(default_factory=dict)
    cores: float = 0

    @property
    def cpu_micros(self) -> float:
        return sum(self.cpu.values())

    def line(self, name: str, comparison: str) -> str:
        figures = f"{self.per_second:,.0f} | {self.cpu_micros:,.0f} | {self.p50_ms:.1f} | {self.p99_ms:.1f}"
        return f"| {name} | {figures} | {comparison} |"


def median_run(runs: Sequence[Run]) -> Run:
    def median(value: Callable[[Run], float]) -> float:
        return statistics.median(map(value, runs))

    return Run(
        round(median(lambda run: run.answers)),
        median(lambda run: run.per_second),
        median(lambda run: run.p50_ms),
        median(lambda run: run.p99_ms),
        {name: statistics.median(run.cpu[name] for run in runs) for name in runs[0].cpu},
        median(lambda run: run.cores),
    )


def percentile(values: Collection[float], percent: int) -> float:
    """The smallest value that so many percent of the values do not exceed."""
    return sorted(values)[max(0, -(-len(values) * percent // 100) - 1)]


class Meter:
    """Measures the CPU of some named processes, and of the whole machine, from now on."""

    def __init__(self, processes: Mapping[str, Iterable[int]]) -> None:
        self._processes = {name: list(pids) for name, pids in processes.items()}
        self._before = self._used()
        self._started_at, self._idle = time.perf_counter(), psutil.cpu_times().idle

    def _used(self) -> dict[str, float]:
        return {name: sum(map(cpu_of, pids)) for name, pids in self._processes.items()}

    def stop(self, answers: int, seconds: float = 0, p50_ms: float = 0, p99_ms: float = 0) -> Run:
        """`seconds`: how long the answers took, if not all the time since the start."""
        used, elapsed = self._used(), time.perf_counter() - self._started_at
        cores = (os.cpu_count() or 1) - (psutil.cpu_times().idle - self._idle) / elapsed
        cpu = {name: (used[name] - self._before[name]) / answers * 1e6 for name in used}
        return Run(answers, answers / (seconds or elapsed), p50_ms, p99_ms, cpu, max(0.0, cores))


def cpu_of(pid: int) -> float:
    """User and system time of the process and its children, also of children that have ended."""
    total = 0.0
    root = psutil.Process(pid)
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
            if process.pid == pid:
                total += times.children_user + times.children_system
    return total
