"""Row `heartbeats` of `make bench`: how many are answered after their commit and what each costs, beside the naive
design and what the machine does at its best."""

from __future__ import annotations

from typing import Any

from tests.load import bare
from tests.load.ground import SERVICE, Ground
from tests.load.rows import Goal, Part, Run, median_of

NAIVE, ANSWERING = "tests.load.naive:app", "tests.load.bare:http"
ROUNDS, SECONDS = 3, 4
# What 20,000 terminals at five minutes send.
TRUE_RATE, TRUE_SECONDS = 67, 15


def claims(made: Ground) -> Part:
    runs: dict[tuple[str, int], list[Run]] = {}
    storing: list[Run] = []
    for _ in range(ROUNDS):
        for target, connections in ((SERVICE, 256), (NAIVE, 256), (ANSWERING, 256), (SERVICE, 64), (NAIVE, 64)):
            run = _measured(made, target, connections=connections, seconds=SECONDS)
            runs.setdefault((target, connections), []).append(run)
        storing.append(bare.stored(made, SECONDS))
    true_traffic = _measured(made, SERVICE, rate=TRUE_RATE, seconds=TRUE_SECONDS)
    lines = [
        "| heartbeats | answers/s | CPU-µs each | p50 ms | p99 ms | against the naive design |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for connections in (64, 256):
        ours, naive = median_of(runs[SERVICE, connections]), median_of(runs[NAIVE, connections])
        faster = ours.per_second / naive.per_second
        against = f"{faster:.0f}× answers, {naive.cpu_micros / ours.cpu_micros:.0f}× less CPU"
        lines.append(ours.line(f"Genba, {connections} connections", against))
        lines.append(naive.line(f"naive design, {connections} connections", "1"))
    answered, stored = median_of(runs[ANSWERING, 256]), median_of(storing)
    share = true_traffic.cpu_micros * TRUE_RATE / 1e6
    lines += [
        answered.line("HTTP alone: read, answered, not stored, 256 connections", ""),
        f"| PostgreSQL alone: a transaction each, {bare.CONNECTIONS} connections | {stored.per_second:,.0f} | "
        f"{stored.cpu_micros:,.0f} | – | – | |",
        true_traffic.line(f"Genba, {TRUE_RATE}/s, each on a new connection", f"{share:.1%} of one core"),
    ]
    return lines, [
        Goal("at least 20 times the naive design's answers at 256 connections", f"{faster:.0f}×", faster >= 20),
        Goal.at_most(3, "the CPU of a heartbeat there", ours.cpu_micros / answered.cpu_micros, "of HTTP alone"),
        Goal.at_most(1, "the same", ours.cpu_micros / stored.cpu_micros, "of PostgreSQL alone"),
        Goal(f"{TRUE_RATE}/s on new connections under 8 % of one core", f"{share:.1%}", share < 0.08),
    ]


def _measured(made: Ground, target: str, **order: Any) -> Run:
    with made.serving(target) as served:
        return served.heartbeats(**order)
