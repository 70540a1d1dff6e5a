"""Row `lists` of `make bench`: a list of 50 as a person's page asks for it: through the session, row-level security and
the answer's schema; beside an empty route."""

from __future__ import annotations

from tests.load import bare
from tests.load.ground import Ground
from tests.load.rows import Goal, Part, median_of

ROUNDS, SECONDS, CONNECTIONS = 3, 4, 8


def claims(made: Ground) -> Part:
    token = made.sign_in()
    with made.owner() as owner:
        owner.execute(
            "WITH one AS (INSERT INTO fleet_incidents (alert_type, scope) VALUES ('offline', 'fleet') RETURNING id) "
            "INSERT INTO fleet_alerts (incident_id, terminal_id, alert_type, message) "
            "SELECT one.id, t.id, 'offline', '通信がありません' FROM one, fleet_terminals t ORDER BY t.id LIMIT 50"
        )
        owner.execute("VACUUM ANALYZE fleet_alerts, users, memberships, sessions")
    with made.serving(bare.ROUTE) as alone, made.serving() as ours:
        asked = ((bare.EMPTY, alone), ("/api/auth/me", ours), ("/api/fleet/alerts?limit=50", ours))
        runs = [[served.read(token, path, CONNECTIONS, SECONDS) for path, served in asked] for _ in range(ROUNDS)]
    empty, me, listed = (median_of(of) for of in zip(*runs, strict=True))
    lines = ["| asked for by 8 connections | answers/s | CPU-µs each | p50 ms | p99 ms | against an empty route |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, run in (("FastAPI and SELECT 1", empty), ("who-am-I", me), ("a list of 50", listed)):
        lines.append(run.line(name, f"{run.cpu_micros / empty.cpu_micros:.2f}×"))
    return lines, [
        Goal.at_most(3, "the CPU of who-am-I", me.cpu_micros / empty.cpu_micros, "of an empty route"),
        Goal.at_most(3, "the CPU of a list of 50", listed.cpu_micros / empty.cpu_micros, "of an empty route"),
        Goal("a list of 50 at 8 connections: p99 under 50 ms", f"{listed.p99_ms:.0f} ms", listed.p99_ms < 50),
    ]
