"""Row `storm` of `make bench`: a whole fleet comes back at once, and how evenly it reports from then on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from agent.config import MAX_INTERVAL_SECONDS, MIN_INTERVAL_SECONDS
from service.fleet.rules import next_heartbeat_in
from tests.load import driver
from tests.load.ground import Ground
from tests.load.rows import Goal, Part, Run

INTERVAL = 300
BIN = 10


@dataclass(frozen=True)
class Storm:
    """What came of one. `found` is the driver's; `stored` the heartbeats found in the database; `peaks`: the most
    heartbeats of any 10 s, to the mean, in the first interval after it and in the third."""

    within: float
    found: dict[str, Any]
    run: Run
    stored: int
    peaks: tuple[float, float]

    def words(self) -> str:
        counted = ", ".join(f"{number:,} × {status}" for status, number in sorted(self.found["statuses"].items()))
        waits = f"p99 {self.run.p99_ms:.0f} ms, the last back after {self.found['last_back']:.1f} s"
        share = self.run.cpu_micros * self.run.per_second / 1e6
        return f"{counted}; {self.stored:,} stored; {waits}; {share:.0%} of one core"


def claims(made: Ground) -> Part:
    minute, burst = (blow(made, within) for within in (60, 10))
    fleet = len(made.tokens.read_bytes().split())
    return [], [
        *(
            Goal(
                f"{fleet:,} terminals back within {one.within} s: only 2xx, 429, or 503 with Retry-After, and all "
                "stored",
                one.words(),
                set(one.found["statuses"]) <= {"200", "429", "503"} and one.stored == fleet,
            )
            for one in (minute, burst)
        ),
        Goal(
            "two intervals after either storm no 10 s have more than 1.1 times the mean",
            f"{max(minute.peaks[1], burst.peaks[1]):.2f}×; {max(minute.peaks[0], burst.peaks[0]):.2f}× in the first",
            max(minute.peaks[1], burst.peaks[1]) <= 1.1,
        ),
    ]


def blow(made: Ground, within: float) -> Storm:
    """One storm over the ground's whole fleet."""
    with made.serving() as served:
        meter = served.meter()
        found = driver.drive(served.port, tokens=made.tokens, within=within)
        run = meter.stopped(found["answers"], p99_ms=found["p99_ms"])
    distinct = "SELECT count(DISTINCT terminal_id) FROM fleet_heartbeats WHERE stream_id = %s"
    [[stored]] = made.rows(distinct, found["stream"])
    ids = [row[0] for row in made.rows("SELECT terminal_id FROM fleet_terminal_tokens ORDER BY terminal_id")]
    peaks = _peaks([(ids[place], at, wait) for place, at, wait in found["back"]])
    return Storm(within, found, run, stored, peaks)


def _peaks(back: list[tuple[int, float, float]]) -> tuple[float, float]:
    """From when each terminal was back (Unix seconds) and what the service answered: when it reports next, by the
    agent's rule, and what it is answered then, by the service's. Whole intervals are looked at from the storm's end."""
    ended = max(at for _, at, _ in back)
    times: list[float] = []
    for terminal_id, at, answered in back:
        wait = answered
        while (at := at + min(max(wait, MIN_INTERVAL_SECONDS), MAX_INTERVAL_SECONDS)) < ended + 3 * INTERVAL:
            times.append(at)
            wait = next_heartbeat_in(terminal_id, at, INTERVAL)
    bins = Counter(int((at - ended) // BIN) for at in times)
    whole, mean = INTERVAL // BIN, len(back) * BIN / INTERVAL
    first, third = (max(bins[place] for place in range(begin, begin + whole)) for begin in (0, 2 * whole))
    return first / mean, third / mean
