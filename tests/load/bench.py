"""`make bench`: every speed claim as a row of one run; prints the table and writes docs/benchmarks.md.

Figures on a shared machine wander; the rows of one run, taken in turns, can be compared with one another. CPU is the
user and system time of the service's process and of all of PostgreSQL, per answered heartbeat; the sender is not in it.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.load.ground import Ground, ground

TERMINALS = 20_000
ROUNDS = 3
SECONDS = 4
TRUE_RATE = 67
TRUE_SECONDS = 15
RESULT = Path(__file__).resolve().parent.parent.parent / "docs" / "benchmarks.md"


@dataclass
class Row:
    """Medians over the rounds."""

    name: str
    per_second: float
    cpu_micros: float
    p50_ms: float
    p99_ms: float


def measure(made: Ground, target: str, **order: Any) -> Row:
    """One run of the generator against the target, after a short one to warm it up."""
    with made.serving(target) as (port, process):
        made.load(port, connections=16, seconds=1)
        before, begun = made.cpu_seconds(process), time.perf_counter()
        result = made.load(port, **order)
        cpu, seconds = made.cpu_seconds(process) - before, time.perf_counter() - begun
    if set(result["statuses"]) != {"200"}:
        raise SystemExit(f"{target} answered {result['statuses']}; nothing was measured")
    answers = result["answers"]
    return Row("", answers / min(seconds, result["seconds"]), cpu / answers * 1e6, result["p50_ms"], result["p99_ms"])


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


def heartbeats(made: Ground) -> list[str]:
    ours, naive = "service.main:app", "tests.load.naive:app"
    runs: dict[tuple[str, int], list[Row]] = {}
    for _ in range(ROUNDS):
        for target, connections in ((ours, 256), (naive, 256), (ours, 64), (naive, 64)):
            run = measure(made, target, connections=connections, seconds=SECONDS)
            runs.setdefault((target, connections), []).append(run)
    true_traffic = measure(made, ours, rate=TRUE_RATE, seconds=TRUE_SECONDS)
    lines = [
        "| heartbeats | answers/s | CPU-µs each | p50 ms | p99 ms | against the naive design |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for connections in (256, 64):
        mine = median_of(f"Genba, {connections} connections", runs[ours, connections])
        other = median_of(f"naive design, {connections} connections", runs[naive, connections])
        against = (
            f"{mine.per_second / other.per_second:.0f}× answers, {other.cpu_micros / mine.cpu_micros:.0f}× less CPU"
        )
        lines += [_line(mine, against), _line(other, "1")]
    share = true_traffic.cpu_micros * TRUE_RATE / 1e6
    true_traffic.name = f"Genba, {TRUE_RATE}/s, each on a new connection"
    lines.append(_line(true_traffic, f"{share:.1%} of one core"))
    return lines


def _line(row: Row, against: str) -> str:
    figures = f"{row.per_second:,.0f} | {row.cpu_micros:,.0f} | {row.p50_ms:.1f} | {row.p99_ms:.1f}"
    return f"| {row.name} | {figures} | {against} |"


def main() -> None:
    with ground(TERMINALS) as made:
        table = heartbeats(made)
        [[version]] = made.rows("SHOW server_version")
    text = f"""# Benchmarks

Written by `make bench`; run it again on your machine. {TERMINALS:,} terminals, real body, answered after the commit
(fsync on), {ROUNDS} rounds of {SECONDS} s taken in turns, medians. {os.cpu_count()} cores shared with the sender,
PostgreSQL {version}, Python {platform.python_version()}.

CPU is the service's process and all of PostgreSQL, without the sender. The naive design (`tests/load/naive.py`) is a
FastAPI route with one SQLAlchemy session a request: SELECT, UPDATE, INSERT, COMMIT. {TRUE_RATE}/s on new connections is
what 20,000 terminals at five minutes send.

""" + "\n".join(table)
    print(text)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(text + "\n")


if __name__ == "__main__":
    main()
