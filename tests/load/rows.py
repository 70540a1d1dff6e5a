"""Rows of `make bench` about answers: how many a second, what each costs, how long one waits for it."""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from tests.load.ground import Ground

ALONE_SECONDS = 2


@dataclass
class Row:
    """Of one run, or medians over several. CPU is the service's process and all of PostgreSQL, without the sender."""

    name: str
    per_second: float
    cpu_micros: float
    p50_ms: float
    p99_ms: float

    def line(self, against: str) -> str:
        figures = f"{self.per_second:,.0f} | {self.cpu_micros:,.0f} | {self.p50_ms:.1f} | {self.p99_ms:.1f}"
        return f"| {self.name} | {figures} | {against} |"


def median_of(name: str, runs: list[Row]) -> Row:
    def middle(of: Callable[[Row], float]) -> float:
        return statistics.median(map(of, runs))

    return Row(
        name,
        middle(lambda row: row.per_second),
        middle(lambda row: row.cpu_micros),
        middle(lambda row: row.p50_ms),
        middle(lambda row: row.p99_ms),
    )


def read(made: Ground, port: int, process: subprocess.Popen[bytes], token: str, path: str, seconds: int) -> Row:
    """One run of the reader at 8 connections against what is served there, after a short one to warm it up."""
    made.read(port, path=path, token=token, connections=8, seconds=1)
    before = made.cpu_seconds(process)
    result = made.read(port, path=path, token=token, connections=8, seconds=seconds)
    cpu = made.cpu_seconds(process) - before
    if set(result["statuses"]) != {"200"}:
        raise SystemExit(f"{path} answered {result['statuses']}; nothing was measured")
    answers = result["answers"]
    return Row(path, answers / result["seconds"], cpu / answers * 1e6, result["p50_ms"], result["p99_ms"])


def alone(made: Ground, port: int, token: str, path: str) -> tuple[float, float]:
    """Median and p99 in ms, one request after the other."""
    made.read(port, path=path, token=token, connections=1, seconds=1)
    found = made.read(port, path=path, token=token, connections=1, seconds=ALONE_SECONDS)
    if set(found["statuses"]) != {"200"}:
        raise SystemExit(f"{path} answered {found['statuses']}; nothing was measured")
    return found["p50_ms"], found["p99_ms"]
