"""Row `lists` of `make bench`: a list of 50 as a page requests it: with the session, row-level security and the
response schema; compared with an empty route."""

from __future__ import annotations

from tests.load import bare
from tests.load.environment import BenchEnvironment
from tests.load.rows import Claim, RowResult, median_run

ROUNDS, SECONDS, CONNECTIONS = 3, 4, 8


def claims(environment: BenchEnvironment) -> RowResult:
    token = environment.create_session_token()
    with environment.owner_connection() as connection:
        connection.execute(
            "WITH one AS (INSERT INTO fleet_incidents (alert_type, scope) VALUES ('offline', 'fleet') RETURNING id) "
            "INSERT INTO fleet_alerts (incident_id, terminal_id, alert_type, message) "
            "SELECT one.id, t.id, 'offline', '通信がありません' FROM one, fleet_terminals t ORDER BY t.id LIMIT 50"
        )
        connection.execute("VACUUM ANALYZE fleet_alerts, users, memberships, sessions")
    with environment.running_service(bare.ROUTE) as empty_service, environment.running_service() as genba:
        requests = ((bare.EMPTY, empty_service), ("/api/auth/me", genba), ("/api/fleet/alerts?limit=50", genba))
        runs = [
            [service.measure_reads(token, path, CONNECTIONS, SECONDS) for path, service in requests]
            for _ in range(ROUNDS)
        ]
    empty, me, list_run = (median_run(runs_of_path) for runs_of_path in zip(*runs, strict=True))
    lines = ["| asked for by 8 connections | answers/s | CPU-µs each | p50 ms | p99 ms | against an empty route |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, run in (("FastAPI and SELECT 1", empty), ("who-am-I", me), ("a list of 50", list_run)):
        lines.append(run.line(name, f"{run.cpu_micros / empty.cpu_micros:.2f}×"))
    return lines, [
        Claim.at_most(1.6, "the CPU of who-am-I", me.cpu_micros / empty.cpu_micros, "of an empty route"),
        Claim.at_most(3, "the CPU of a list of 50", list_run.cpu_micros / empty.cpu_micros, "of an empty route"),
        Claim.at_most(4, "its p99 at 8 connections", list_run.p99_ms / empty.p99_ms, "the empty route's"),
    ]
