"""Row `storm` of `make bench`: a whole fleet comes back at once, and how evenly it reports afterwards."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from agent.config import MAX_INTERVAL_SECONDS, MIN_INTERVAL_SECONDS
from service.fleet.rules import next_heartbeat_in
from tests.load import driver
from tests.load.environment import BenchEnvironment
from tests.load.rows import Claim, RowResult, Run

INTERVAL = 300
BIN_SECONDS = 10


@dataclass(frozen=True)
class Storm:
    """The result of one storm. `report`: the driver's; `stored`: heartbeats found in the database; `peaks`: the highest
    number of heartbeats in any 10 s, relative to the mean, in the first interval after it and in the third."""

    within: float
    report: dict[str, Any]
    run: Run
    stored: int
    peaks: tuple[float, float]

    def summary(self) -> str:
        counts = ", ".join(f"{number:,} × {status}" for status, number in sorted(self.report["statuses"].items()))
        times = f"p99 {self.run.p99_ms:.0f} ms, the last back after {self.report['last_back']:.1f} s"
        share = self.run.cpu_micros * self.run.per_second / 1e6
        return f"{counts}; {self.stored:,} stored; {times}; {share:.0%} of one core"


def claims(environment: BenchEnvironment) -> RowResult:
    slow, fast = (run_storm(environment, within) for within in (60, 10))
    fleet = len(environment.tokens.read_bytes().split())
    return [], [
        *(
            Claim(
                f"{fleet:,} terminals back within {storm.within} s: only 2xx, 429, or 503 with Retry-After, and all "
                "stored",
                storm.summary(),
                set(storm.report["statuses"]) <= {"200", "429", "503"} and storm.stored == fleet,
            )
            for storm in (slow, fast)
        ),
        Claim(
            "two intervals after either storm no 10 s have more than 1.1 times the mean",
            f"{max(slow.peaks[1], fast.peaks[1]):.2f}×; {max(slow.peaks[0], fast.peaks[0]):.2f}× in the first",
            max(slow.peaks[1], fast.peaks[1]) <= 1.1,
        ),
    ]


def run_storm(environment: BenchEnvironment, within: float) -> Storm:
    """One storm of the environment's whole fleet."""
    with environment.running_service() as service:
        meter = service.meter()
        report = driver.drive(service.port, tokens=environment.tokens, within=within)
        run = meter.stop(report["answers"], p99_ms=report["p99_ms"])
    statement = "SELECT count(DISTINCT terminal_id) FROM fleet_heartbeats WHERE stream_id = %s"
    [[stored]] = environment.rows(statement, report["stream"])
    ids = [row[0] for row in environment.rows("SELECT terminal_id FROM fleet_terminal_tokens ORDER BY terminal_id")]
    peaks = _peaks([(ids[index], at, wait) for index, at, wait in report["back"]])
    return Storm(within, report, run, stored, peaks)


def _peaks(back: list[tuple[int, float, float]]) -> tuple[float, float]:
    """From the times when the terminals were back (Unix seconds) and the service's answers: when each reports next, by
    the agent's rule, and what it is answered then, by the service's rule. Looks at whole intervals from the end of the
    storm."""
    ended = max(at for _, at, _ in back)
    times: list[float] = []
    for terminal_id, at, first_wait in back:
        wait = first_wait
        while (at := at + min(max(wait, MIN_INTERVAL_SECONDS), MAX_INTERVAL_SECONDS)) < ended + 3 * INTERVAL:
            times.append(at)
            wait = next_heartbeat_in(terminal_id, at, INTERVAL)
    bins = Counter(int((at - ended) // BIN_SECONDS) for at in times)
    bins_per_interval, mean = INTERVAL // BIN_SECONDS, len(back) * BIN_SECONDS / INTERVAL
    first, third = (
        max(bins[index] for index in range(start, start + bins_per_interval)) for start in (0, 2 * bins_per_interval)
    )
    return first / mean, third / mean
