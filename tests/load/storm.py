"""Rows of `make bench` about storms: a whole fleet comes back at once, and how evenly it reports from then on.

`python -m tests.load.storm ORDER`, where ORDER is JSON such as `{"port": 8000, "tokens": FILE, "within": 60}`, is the
sender: each token's heartbeat leaves at a moment of its own within so many seconds, on a new connection, and again
with the agent's own back-off until it is stored. It prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from agent.backoff import Backoff
from agent.config import MAX_INTERVAL_SECONDS, MIN_INTERVAL_SECONDS
from agent.send import Accepted, Failed, read_heartbeat
from agent.transport import Answer
from service.fleet.rules import next_heartbeat_in
from stack.home import ROOT
from tests.load.claims import Goal, Part
from tests.load.generator import request
from tests.load.ground import Ground

INTERVAL = 300
BIN = 10


@dataclass(frozen=True)
class Storm:
    """What came of one. `statuses` are all answers by their number, `stored` the heartbeats found in the database,
    `p99_ms` to an answer, `last_back` seconds until the last terminal was back after its moment, `cpu` of one core
    while it lasted; `peaks`: the most heartbeats of any 10 s, to the mean, in the first interval after it and in the
    third."""

    statuses: dict[str, int]
    stored: int
    p99_ms: float
    last_back: float
    cpu: float
    peaks: tuple[float, float]


def claims(made: Ground) -> Part:
    minute, burst = (blow(made, within) for within in (60, 10))
    fleet = len(made.tokens.read_bytes().split())
    return [], [
        *(
            Goal(
                f"{fleet:,} terminals back within {within} s: only 2xx, 429, or 503 with Retry-After, and all stored",
                _words(one),
                set(one.statuses) <= {"200", "429", "503"} and one.stored == fleet,
            )
            for within, one in ((60, minute), (10, burst))
        ),
        Goal(
            "two intervals after either storm no 10 s have more than 1.1 times the mean",
            f"{max(minute.peaks[1], burst.peaks[1]):.2f}×; {max(minute.peaks[0], burst.peaks[0]):.2f}× in the first",
            max(minute.peaks[1], burst.peaks[1]) <= 1.1,
        ),
    ]


def _words(one: Storm) -> str:
    counted = ", ".join(f"{number:,} × {status}" for status, number in sorted(one.statuses.items()))
    waits = f"p99 {one.p99_ms:.0f} ms, the last back after {one.last_back:.1f} s"
    return f"{counted}; {one.stored:,} stored; {waits}; {one.cpu:.0%} of one core"


def blow(made: Ground, within: float) -> Storm:
    """One storm over the ground's whole fleet."""
    stream = str(uuid.uuid4())
    order = {"tokens": str(made.tokens), "within": within, "stream": stream}
    with made.serving("service.main:app") as (port, process):
        before, begun = made.cpu_seconds(process), time.perf_counter()
        command = [sys.executable, "-m", "tests.load.storm", json.dumps(order | {"port": port})]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        cpu = (made.cpu_seconds(process) - before) / (time.perf_counter() - begun)
    found: dict[str, Any] = json.loads(done.stdout)
    [[stored]] = made.rows("SELECT count(DISTINCT terminal_id) FROM fleet_heartbeats WHERE stream_id = %s", stream)
    ids = [row[0] for row in made.rows("SELECT terminal_id FROM fleet_terminal_tokens ORDER BY terminal_id")]
    peaks = _peaks([(ids[place], at, wait) for place, at, wait in found["back"]])
    ordered = sorted(found["milliseconds"])
    return Storm(found["statuses"], stored, ordered[len(ordered) * 99 // 100], found["last_back"], cpu, peaks)


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


async def _storm(order: dict[str, Any], tokens: list[bytes]) -> dict[str, Any]:
    begin = time.perf_counter() + 0.5
    statuses: Counter[str] = Counter()
    milliseconds: list[float] = []
    back: list[tuple[int, float, float]] = []
    late: list[float] = []
    chance = random.Random(20_000)

    async def come_back(place: int, due: float) -> None:
        backoff = Backoff(random.Random(place))
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        while True:
            begun = time.perf_counter()
            answer = await _send(order["port"], request(tokens[place], order["stream"].encode(), 1))
            milliseconds.append((time.perf_counter() - begun) * 1000)
            outcome = read_heartbeat(answer)
            if isinstance(outcome, Accepted):
                statuses[str(answer.status)] += 1
                back.append((place, time.time(), outcome.next_heartbeat_in))
                late.append(time.perf_counter() - due)
                return
            asked = isinstance(outcome, Failed) and outcome.retry_after
            statuses[str(answer.status) if asked or answer.status == 429 else f"{answer.status} alone"] += 1
            await asyncio.sleep((asked or 0.0) + backoff.next_delay())

    async with asyncio.TaskGroup() as group:
        for place in range(len(tokens)):
            group.create_task(come_back(place, begin + chance.uniform(0, order["within"])))
    return {"statuses": statuses, "milliseconds": milliseconds, "back": back, "last_back": max(late)}


async def _send(port: int, content: bytes) -> Answer:
    """Status 0 where there was no answer."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return Answer(0, {}, b"")
    try:
        writer.write(content)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        headers = {name.title(): value for name, value in headers.items()}
        body = await reader.readexactly(int(headers["Content-Length"]))
        return Answer(int(head[0].split(" ")[1]), headers, body)
    except (OSError, EOFError):
        return Answer(0, {}, b"")
    finally:
        writer.close()


def main() -> None:
    order = json.loads(sys.argv[1])
    print(json.dumps(uvloop.run(_storm(order, Path(order["tokens"]).read_bytes().split()))))


if __name__ == "__main__":
    main()
