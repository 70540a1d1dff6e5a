"""Row `logs` of `make bench`: 入退ログ: a list of 50 out of a million, searched by a name, and exported as a file."""

from __future__ import annotations

import time

import psycopg

from tests.load import bare
from tests.load.environment import BenchEnvironment
from tests.load.long_work import measure_export
from tests.load.rows import Claim, RowResult

LOGS = 1_000_000
# A nursery as large as in the document: its 2,000 logs a day are a million in a year and a half.
PARENTS = 500
SECONDS, CONNECTIONS = 4, 8

_FILL = """
WITH nursery AS (INSERT INTO entries_nurseries (name, code) VALUES ('百万保育園', 'MILLION') RETURNING id),
parents AS (
    INSERT INTO entries_parents (nursery_id, name, kana)
    SELECT nursery.id, '保護者' || n || '号', 'ほごしゃ' || n FROM nursery, generate_series(1, %(parents)s) n
    RETURNING id, nursery_id
), children AS (
    INSERT INTO entries_children (nursery_id, name)
    SELECT nursery.id, '園児' || n || '号' FROM nursery, generate_series(1, %(parents)s) n RETURNING id, nursery_id
), paired AS (
    SELECT p.id AS parent_id, c.id AS child_id, p.nursery_id
    FROM (SELECT *, row_number() OVER (ORDER BY id) AS place FROM parents) p
    JOIN (SELECT *, row_number() OVER (ORDER BY id) AS place FROM children) c USING (place)
)
INSERT INTO entries_guardianships (parent_id, child_id, nursery_id) SELECT parent_id, child_id, nursery_id FROM paired
RETURNING nursery_id
"""
_SCAN = """
INSERT INTO entries_logs (parent_id, nursery_id, entry_type, "timestamp", created_at)
SELECT p.id, p.nursery_id, CASE n %% 2 WHEN 0 THEN 'Entry' ELSE 'Exit' END, at, at
FROM generate_series(1, %(logs)s) n
JOIN (SELECT *, row_number() OVER (ORDER BY id) - 1 AS place FROM entries_parents WHERE nursery_id = %(nursery)s) p
    ON p.place = n %% %(parents)s
CROSS JOIN LATERAL (SELECT now() - interval '43 seconds' * n AS at) moment
"""


def fill(connection: psycopg.Connection) -> int:
    """The id of the nursery."""
    nursery_id: int = connection.execute(_FILL, {"parents": PARENTS}).fetchall()[0][0]
    connection.execute(_SCAN, {"parents": PARENTS, "logs": LOGS, "nursery": nursery_id})
    connection.execute("VACUUM ANALYZE")
    return nursery_id


def claims(environment: BenchEnvironment) -> RowResult:
    with environment.owner_connection() as connection:
        nursery_id = fill(connection)
    token = environment.create_session_token("staff", "entries", nursery_id)
    with environment.running_service(bare.ROUTE) as service:
        empty = service.measure_reads(token, bare.EMPTY, CONNECTIONS, SECONDS)
    with environment.running_service() as service:
        list_run = service.measure_reads(token, "/api/entries/logs?limit=50", CONNECTIONS, SECONDS)
        common_name_ms = service.measure_reads(token, "/api/entries/logs?limit=50&parent_name=%E5%8F%B7").p50_ms
        rare_name_ms = service.measure_reads(token, "/api/entries/logs?limit=50&parent_name=77%E5%8F%B7").p50_ms
        deep_page_ms = service.measure_reads(token, f"/api/entry-exit-logs?page={LOGS // 50 - 10}").p50_ms
        export_seconds, export = measure_export(service, token, "/api/entries/logs.csv", LOGS, "logs")
        copy_seconds = _copy_seconds(environment, nursery_id)
    cost_ratio = list_run.cpu_micros / empty.cpu_micros
    return [], [
        Claim.at_most(4, "the CPU of a list of 50 out of 1,000,000 logs", cost_ratio, "of an empty route"),
        Claim.at_most(4, "its p99 at 8 connections", list_run.p99_ms / empty.p99_ms, "the empty route's"),
        Claim.under(50, "ms", "found by a name that is a few parents'", rare_name_ms),
        Claim.under(1000, "ms", "found by a name that is everybody's", common_name_ms),
        Claim.under(300, "ms", "the document's page 19,990", deep_page_ms),
        export,
        Claim.at_most(2, "its time", export_seconds / copy_seconds, "PostgreSQL's own COPY of the same rows"),
    ]


def _copy_seconds(environment: BenchEnvironment, nursery_id: int) -> float:
    """In the order of the list, without a name or a format."""
    statement = (
        f"COPY (SELECT * FROM entries_logs WHERE nursery_id = {nursery_id} "
        'ORDER BY "timestamp" DESC, id DESC) TO STDOUT '
        "(FORMAT csv)"
    )
    started_at = time.perf_counter()
    with environment.owner_connection() as connection, connection.cursor() as cursor, cursor.copy(statement) as copy:
        for _ in copy:
            pass
    return time.perf_counter() - started_at
