"""Row `search` of `make bench`: 探す over the whole product, by a user who sees all of it and by one of an agency."""

from __future__ import annotations

from urllib.parse import quote

import psycopg

from service.core.access.identity import hash_token
from tests.load import agency_work, bare, loaner_work, log_work
from tests.load.environment import TERMINALS, BenchEnvironment
from tests.load.rows import Claim, RowResult, Run

SECONDS, CONNECTIONS = 4, 8
LIMIT_MS = 150
SEEN = {"entries": "admin", "loaners": "admin", "agencies": "admin", "reservations": "admin"}
QUESTIONS = {
    "a serial number": "LOAD-0012345",
    "its beginning": "load001",
    "two letters of most stores": "支店",
    "two letters of nearly all names": "株式",
    "one corporation of each agency": "商店499",
    "a part of a store's name": "店19 レジ",
    "供給地点特定番号": "03-0000-0000-0000-0012-3451",
    "a telephone number": "03-0000-123",
    "a parent": "保護者77号",
    "a device": "SITEA_Laptop",
    "a request": "4242",
    "nothing": "どこにもないことば",
}
ROWS = ("fleet_terminals", "agencies_sites", "entries_logs", "loaners_events", "search_terms")


def claims(environment: BenchEnvironment) -> RowResult:
    with environment.owner_connection() as connection:
        _fill(connection)
    [counts] = environment.rows(f"SELECT {', '.join(f'(SELECT count(*) FROM {table})' for table in ROWS)}")
    [[agency]] = environment.rows("SELECT id FROM agencies_agencies WHERE code = 'BENCH100'")
    everybody, seller = (
        environment.create_session_token(),
        environment.create_session_token("sales", "agencies", agency),
    )
    with environment.owner_connection() as connection:
        _see_all(connection, everybody)
    with environment.running_service(bare.ROUTE) as service:
        empty = service.measure_reads(everybody, bare.EMPTY, CONNECTIONS, SECONDS)
    with environment.running_service() as service:

        def ask(token: str) -> dict[str, Run]:
            return {
                name: service.measure_reads(token, f"/api/search?q={quote(text)}", CONNECTIONS, SECONDS)
                for name, text in QUESTIONS.items()
            }

        by_all, by_seller = ask(everybody), ask(seller)
    lines = ["| 探す, by 8 connections | answers/s | CPU-µs each | p50 ms | p99 ms | against an empty route |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, run in {"FastAPI and SELECT 1": empty, **by_all}.items():
        lines.append(run.line(name, f"{run.cpu_micros / empty.cpu_micros:.1f}×"))
    terminals, sites, logs, events, terms = counts
    scope = f"over {terminals:,} terminals, {sites:,} sites, {logs:,} logs, {events:,} device events ({terms:,} terms)"
    goals = [
        Claim.in_time(f"探す {scope} at {CONNECTIONS} connections", LIMIT_MS, by_all),
        Claim.in_time("the same by a user of one agency", LIMIT_MS, by_seller),
    ]
    is_full = terminals >= TERMINALS and sites >= agency_work.SITES and logs >= log_work.LOGS
    for claim in goals:
        claim.holds &= is_full and events >= loaner_work.DEVICES * loaner_work.EVENTS_PER_DEVICE
    return lines, goals


def _fill(connection: psycopg.Connection) -> None:
    """What the rows before have not filled."""
    fills = {"agencies_sites": agency_work.fill, "entries_logs": log_work.fill, "loaners_events": loaner_work.fill}
    for table, fill in fills.items():
        [is_empty] = connection.execute(f"SELECT NOT EXISTS (SELECT FROM {table})").fetchone() or [False]
        if is_empty:
            fill(connection)


def _see_all(connection: psycopg.Connection, token: str) -> None:
    """Whose session it is becomes a member of every area."""
    connection.execute(
        "INSERT INTO memberships (user_id, area, role) SELECT s.user_id, area, role FROM sessions s, "
        "unnest(%s::text[], %s::text[]) AS m (area, role) WHERE s.token_hash = %s",
        [[*SEEN], [*SEEN.values()], hash_token(token)],
    )
