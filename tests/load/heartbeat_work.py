"""Row `heartbeats` of `make bench`: how many are answered after their commit and what each costs, compared with the
naive design and with the limits of the machine."""

from __future__ import annotations

from typing import Any

from tests.load import bare
from tests.load.environment import SERVICE, BenchEnvironment
from tests.load.rows import Claim, RowResult, Run, median_run

NAIVE, HTTP_ONLY = "tests.load.naive:app", "tests.load.bare:http"
ROUNDS, SECONDS = 3, 4
# The rate of 20,000 terminals with an interval of five minutes.
REAL_RATE, REAL_SECONDS = 67, 15


def claims(environment: BenchEnvironment) -> RowResult:
    runs: dict[tuple[str, int], list[Run]] = {}
    storage_runs: list[Run] = []
    for _ in range(ROUNDS):
        for target, connections in ((SERVICE, 256), (NAIVE, 256), (HTTP_ONLY, 256), (SERVICE, 64), (NAIVE, 64)):
            run = _measure(environment, target, connections=connections, seconds=SECONDS)
            runs.setdefault((target, connections), []).append(run)
        storage_runs.append(bare.measure_stored(environment, SECONDS))
    real_traffic, real_http = (
        _measure(environment, target, rate=REAL_RATE, seconds=REAL_SECONDS) for target in (SERVICE, HTTP_ONLY)
    )
    lines = [
        "| heartbeats | answers/s | CPU-µs each | p50 ms | p99 ms | against the naive design |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for connections in (64, 256):
        genba, naive = median_run(runs[SERVICE, connections]), median_run(runs[NAIVE, connections])
        speed_ratio = genba.per_second / naive.per_second
        comparison = f"{speed_ratio:.0f}× answers, {naive.cpu_micros / genba.cpu_micros:.0f}× less CPU"
        lines.append(genba.line(f"Genba, {connections} connections", comparison))
        lines.append(naive.line(f"naive design, {connections} connections", "1"))
    http_only, postgres_only = median_run(runs[HTTP_ONLY, 256]), median_run(storage_runs)
    share = real_traffic.cpu_micros * REAL_RATE / 1e6
    lines += [
        http_only.line("HTTP alone: read, answered, not stored, 256 connections", ""),
        f"| PostgreSQL alone: a transaction each, {bare.CONNECTIONS} connections | {postgres_only.per_second:,.0f} | "
        f"{postgres_only.cpu_micros:,.0f} | – | – | |",
        real_traffic.line(f"Genba, {REAL_RATE}/s, each on a new connection", f"{share:.1%} of one core"),
        real_http.line("HTTP alone, the same", ""),
    ]
    return lines, [
        Claim(
            "at least 20 times the naive design's answers at 256 connections", f"{speed_ratio:.0f}×", speed_ratio >= 20
        ),
        Claim.at_most(3, "the CPU of a heartbeat there", genba.cpu_micros / http_only.cpu_micros, "of HTTP alone"),
        Claim.at_most(1, "the same", genba.cpu_micros / postgres_only.cpu_micros, "of PostgreSQL alone"),
        Claim.at_most(
            3,
            f"the CPU of a heartbeat at {REAL_RATE}/s on new connections",
            real_traffic.cpu_micros / real_http.cpu_micros,
            "of HTTP alone",
        ),
    ]


def _measure(environment: BenchEnvironment, target: str, **options: Any) -> Run:
    with environment.running_service(target) as service:
        return service.measure_heartbeats(**options)
