"""Adds a year of data to a fleet: daily summaries, heartbeats, logs, incidents, maintenance, roll-outs, reports. Uses
INSERT … SELECT in the database; the data is the same each time, except for the hour of its creation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg

from service.core.values.times import month_of
from service.fleet.monthly import queries as monthly
from service.fleet.monthly.rules import Counts, DayFigure, Seconds, Span, TerminalFigure, build_figures

CUSTOMERS = 500
TILLS_PER_STORE = 4
INCIDENTS = 20_000

# `n` numbers the terminals from 0: four tills in a store, ten stores of a customer.
_FLEET = """
CREATE TEMP TABLE fleet AS
SELECT id, customer_id, row_number() OVER (ORDER BY id) - 1 AS n FROM fleet_terminals WHERE serial_number LIKE 'LOAD-%';
CREATE TEMP TABLE today AS SELECT date_trunc('day', now(), 'Asia/Tokyo') AS midnight;
ANALYZE fleet;
UPDATE kept_tables SET compacted_until = today.midnight FROM today WHERE name = 'fleet_heartbeats';
"""

_TERMINALS = """
UPDATE fleet_terminals t SET created_at = now() - interval '400 days',
    installed_date = current_date - 400 + (n % 300)::int,
    tags = ARRAY['地域' || n / 4 % 12, (ARRAY['直営', 'フランチャイズ', '先行導入'])[n / 4 % 3 + 1]]
FROM fleet WHERE fleet.id = t.id;
UPDATE fleet_customers SET created_at = now() - interval '400 days' WHERE id IN (SELECT customer_id FROM fleet);
"""

# 30 terminals and 10 stores are offline, 10 report an error, 30 are in maintenance, and one shop in fifty is closed:
# its PC was shut down normally. The others stay online for another day.
_STATES = """
UPDATE fleet_terminal_states s SET
    status = x.status, status_since = now() - interval '2 hours',
    last_heartbeat_at = now() - interval '1 minute' * (n % 5),
    offline_after = now() + interval '1 day', cpu_usage = 10 + n % 60, memory_usage = 30 + n % 50, disk_usage = n % 80,
    firmware_version = '20.' || (9 - least(9, n % 24)) || '.0', agent_version = '1.4.' || n % 3,
    terminal_connected = true,
    error = CASE x.status WHEN 'error' THEN 'カードリーダーが応答しません' END,
    shutdown_at = CASE WHEN x.is_closed THEN now() - interval '2 hours' END,
    address = ('133.' || n / 4 / 65536 || '.' || n / 4 / 256 % 256 || '.' || n / 4 % 256)::inet,
    clock_skew_seconds = n % 7
FROM (
    SELECT id, n, n / 4 % 50 = 49 AS is_closed, CASE
        WHEN n < 160 AND (n % 4 = 0 OR n >= 120) OR n / 4 % 50 = 49 THEN 'offline'
        WHEN n BETWEEN 160 AND 199 AND n % 4 = 0 THEN 'error'
        WHEN n BETWEEN 400 AND 519 AND n % 4 = 0 THEN 'maintenance'
        ELSE 'online' END AS status
    FROM fleet
) x WHERE x.id = s.terminal_id;
"""

# One row for each day or month creates its partition; the other rows then go straight into it. This comes first, while
# no concurrent process has a long read there.
_PARTITIONS = (
    """
INSERT INTO fleet_days (terminal_id, begins_at, heartbeats, online_seconds, offline_seconds, error_seconds,
    maintenance_seconds)
SELECT 0, d, 0, 0, 0, 0, 0 FROM today, generate_series(today.midnight - interval '366 days', today.midnight, '1 day') d;
SELECT make_partitions('fleet_days');
DELETE FROM fleet_days WHERE terminal_id = 0;
""",
    """
INSERT INTO fleet_heartbeats (terminal_id, received_at, sent_at, stream_id, sequence, cpu_usage, memory_usage,
    disk_usage, terminal_connected)
SELECT 0, d, d, gen_random_uuid(), 1, 0, 0, 0, true
FROM today, generate_series(today.midnight - interval '34 days', today.midnight, '1 day') d;
SELECT make_partitions('fleet_heartbeats');
DELETE FROM fleet_heartbeats WHERE terminal_id = 0;
""",
    """
INSERT INTO fleet_terminal_logs (terminal_id, at, kind)
SELECT 0, d, 'note' FROM today, generate_series(today.midnight - interval '365 days', today.midnight, '1 day') d;
SELECT make_partitions('fleet_terminal_logs');
DELETE FROM fleet_terminal_logs WHERE terminal_id = 0;
""",
)
_DAYS = """
INSERT INTO fleet_days (terminal_id, begins_at, heartbeats, online_seconds, offline_seconds, error_seconds,
    maintenance_seconds, cpu_average, cpu_highest, memory_average, memory_highest, disk_highest, first_heartbeat_at,
    last_heartbeat_at, firmware_version)
SELECT id, d, 288 - n % 7, 86400 - n % 900, n % 600, n % 300, 0, 20 + n % 40, 50 + n % 50, 40 + n % 30, 60 + n % 40,
    n % 80, d, d + interval '23:55', '20.' || extract(month FROM d)::int % 9 || '.0'
FROM today, generate_series(today.midnight - interval '365 days', today.midnight - interval '1 day', '1 day') d, fleet;
"""

# One day of all terminals, five weeks of one terminal in two hundred.
_HEARTBEATS = """
INSERT INTO fleet_heartbeats (terminal_id, received_at, sent_at, stream_id, sequence, cpu_usage, memory_usage,
    disk_usage, terminal_connected)
SELECT id, at, at, '00000000-0000-4000-8000-000000000000', extract(epoch FROM at)::bigint / 300, 10 + n % 60,
    30 + n % 50, n % 80, true
FROM (
    SELECT at, f.* FROM today, generate_series(midnight - interval '34 days', now() - interval '1 day', '5 minutes') at,
        (SELECT * FROM fleet WHERE n % 200 = 0) f
    UNION ALL
    SELECT at, f.* FROM generate_series(now() - interval '1 day', now(), '5 minutes') at, fleet f
) x;
"""

# Once a week a shop closes and opens again: four rows.
_LOGS = """
INSERT INTO fleet_terminal_logs (terminal_id, at, kind, status, detail)
SELECT id, d + interval '1 second' * (n % 3600) + x.later, x.kind, x.status, x.detail::jsonb
FROM today, generate_series(today.midnight - interval '364 days', today.midnight - interval '1 day', '7 days') d,
    fleet, (VALUES
    (interval '20 hours', 'shutdown', NULL, NULL),
    (interval '20 hours 11 minutes', 'status', 'offline', '{"from": "online"}'),
    (interval '31 hours', 'started', NULL, '{"version": "1.4.0"}'),
    (interval '31 hours', 'status', 'online', '{"from": "offline"}')) AS x(later, kind, status, detail);
"""

# Past incidents ended on the same day; one in ten affected a whole store. Then the open ones, matching _STATES.
_INCIDENTS = f"""
CREATE TEMP TABLE trouble AS
SELECT k, (k % 10 = 0) AS is_store, k * 37 % (SELECT count(*) FROM fleet) / 4 * 4 AS n,
    now() - interval '1 day' - interval '364 days' * k / {INCIDENTS} AS at,
    (ARRAY['offline', 'offline', 'offline', 'error', 'high_cpu', 'high_memory', 'update_failed'])[k % 7 + 1] AS kind,
    true AS is_over
FROM generate_series(0, {INCIDENTS} - 1) k
UNION ALL
SELECT {INCIDENTS} + k, k >= 30, k * 4, now() - interval '2 minutes' * k,
    CASE WHEN k < 40 THEN 'offline' ELSE 'error' END,
    false
FROM generate_series(0, 49) k;
UPDATE trouble SET kind = 'offline' WHERE is_store AND is_over;
ALTER TABLE trouble ADD id bigint;
UPDATE trouble SET id = nextval(pg_get_serial_sequence('fleet_incidents', 'id'));
ANALYZE trouble;
INSERT INTO fleet_incidents (id, alert_type, scope, customer_id, store_name, opened_at, joined_at, told_at,
    acknowledged_at, resolved_at, resolved_by, resolution)
OVERRIDING SYSTEM VALUE
SELECT t.id, kind, CASE WHEN is_store THEN 'store' ELSE 'terminal' END, f.customer_id,
    CASE WHEN is_store THEN '店' || t.n / 4 END, at, at, at,
    CASE WHEN is_over OR k % 3 = 0 THEN at + interval '3 minutes' END,
    CASE WHEN is_over THEN at + interval '40 minutes' END, CASE WHEN is_over THEN 'システム（自動復旧）' END,
    CASE WHEN k % 5 = 0 AND is_over THEN 'ルーターの電源が抜けていました。' END
FROM trouble t JOIN fleet f USING (n) ORDER BY t.id;
INSERT INTO fleet_alerts (incident_id, terminal_id, alert_type, message, is_resolved, created_at, resolved_at,
    resolved_by)
SELECT t.id, f.id, kind, '最終通信は 10:15 です。', is_over, at, CASE WHEN is_over THEN at + interval '40 minutes' END,
    CASE WHEN is_over THEN 'システム（自動復旧）' ELSE '' END
FROM trouble t JOIN fleet f ON f.n >= t.n AND f.n < t.n + CASE WHEN is_store THEN 4 ELSE 1 END ORDER BY t.id;
INSERT INTO fleet_incident_steps (incident_id, step, due_at, done_at, done_by)
SELECT t.id, step, CASE WHEN step < 6 OR is_over THEN at + interval '1 minute' * (ARRAY[0, 5, 15, 30, 60,
    70])[step] END, CASE WHEN step = 1 OR is_over THEN at + interval '6 minutes' * (step - 1) END,
    CASE WHEN step = 1 OR is_over THEN '山田 太郎' END
FROM trouble t, generate_series(1, 6) step ORDER BY t.id, step;
INSERT INTO fleet_incident_events (incident_id, at, kind, by, text, detail)
SELECT t.id, at + interval '5 minutes' * x.place, x.kind, '山田 太郎', x.said, x.detail::jsonb
FROM trouble t, (VALUES
    (0, 'opened', NULL, '{{"terminals": 1}}'), (1, 'acknowledged', NULL, '{{}}'),
    (2, 'step', '再起動を依頼しました。', '{{"step": 2}}'), (3, 'note', '店舗に電話しました。折り返し待ちです。',
    '{{}}'), (8, 'recovered', NULL, '{{"terminals": 1}}')) AS x(place, kind, said, detail)
WHERE is_over OR place = 0 ORDER BY t.id;
"""

_MAINTENANCES = """
INSERT INTO fleet_maintenances (terminal_id, starts_at, ends_at, reason, created_at, begun_at, ended_at, ended_by)
SELECT id, at, at + interval '2 hours', '機器の点検', at - interval '3 days', at, at + interval '90 minutes', 'システム'
FROM (SELECT id, now() - interval '364 days' * (n + 1) / 20000 - interval '1 day' AS at FROM fleet WHERE n % 5 = 0) x;
INSERT INTO fleet_maintenances (terminal_id, starts_at, ends_at, reason, created_at, begun_at)
SELECT id, now() - interval '2 hours', now() + interval '20 hours', '配線工事', now() - interval '1 day',
    now() - interval '2 hours'
FROM fleet WHERE n BETWEEN 400 AND 519 AND n % 4 = 0;
INSERT INTO fleet_maintenances (terminal_id, starts_at, ends_at, reason, created_at)
SELECT id, now() + interval '2 days', now() + interval '50 hours', '配線工事', now()
FROM fleet WHERE n BETWEEN 1000 AND 1199;
"""

_FILES = """
INSERT INTO files (id, area, purpose, name, content_type, size, sha256, storage_key, has_thumbnail, attached_at)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'fleet',
    CASE WHEN n < 100 THEN 'fleet.firmware' ELSE 'fleet.monthly_report' END, 'past-' || n,
    'application/octet-stream', 1000,
    sha256(n::text::bytea), 'past/' || n, false, now()
FROM generate_series(1, 101) n;
"""

# A version a month for all terminals, one paused roll-out, and commands.
_ROLLOUTS = """
INSERT INTO fleet_firmwares (version, file_id, size, sha256, signature, notes, created_at)
SELECT '20.' || n || '.0', ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 1000, sha256(n::text::bytea),
    decode(repeat('00', 64), 'hex'), '不具合の修正', now() - interval '30 days' * (12 - n)
FROM generate_series(1, 12) n;
CREATE TEMP TABLE shipped AS
WITH made AS (
    INSERT INTO fleet_rollouts (name, firmware_id, state, targets, waves, wave, success_percent, error_percent,
    error_count, healthy_heartbeats, step_minutes, reason, created_at, started_at, finished_at)
    SELECT version || ' の配信', id, CASE version WHEN '20.12.0' THEN 'paused' ELSE 'finished' END,
        '{"customer_ids": [], "tags": [], "versions": []}', '{5,25,100}', CASE version WHEN '20.12.0' THEN 0 ELSE 2 END,
        95, 10, 50, 2, 60, CASE version WHEN '20.12.0' THEN '店舗からの連絡を待っています。' END, created_at,
        created_at, CASE version WHEN '20.12.0' THEN NULL ELSE created_at + interval '3 days' END
    FROM fleet_firmwares WHERE version LIKE '20.%' ORDER BY id RETURNING id, state, created_at
) SELECT * FROM made;
INSERT INTO fleet_update_tasks (rollout_id, terminal_id, wave, state, from_version, healthy, error, offered_at,
    finished_at)
SELECT r.id, f.id, x.wave, x.state, '20.0.0', CASE x.state WHEN 'succeeded' THEN 2 ELSE 0 END,
    CASE x.state WHEN 'failed' THEN 'ファイルを取得できません' END,
    CASE WHEN x.state <> 'waiting' THEN r.created_at + interval '1 day' * x.wave END,
    CASE WHEN x.state <> 'waiting' THEN r.created_at + interval '1 day' * x.wave + interval '1 hour' END
FROM shipped r, fleet f, LATERAL (
    SELECT y.wave, CASE WHEN r.state = 'paused' AND y.wave > 0 THEN 'waiting' WHEN f.n % 97 = 0 THEN 'failed'
        ELSE 'succeeded' END AS state
    FROM (SELECT CASE WHEN f.n % 100 < 5 THEN 0 WHEN f.n % 100 < 25 THEN 1 ELSE 2 END AS wave) y
) x ORDER BY r.id, f.id;
INSERT INTO fleet_commands (terminal_id, name, state, result, created_at, told_at, reported_at, finished_at, expires_at)
SELECT f.id, x.name, 'done', '{"version": "20.1.0"}', at, at, at, at, at + interval '1 day'
FROM fleet f, generate_series(1, 14) k, LATERAL (
    SELECT now() - interval '26 days' * k AS at, CASE WHEN k > 2 THEN 'update_firmware' ELSE 'diagnose' END AS name) x;
"""

_ENROLMENTS = """
INSERT INTO fleet_enrolment_codes (code_hash, customer_id, expires_at, maximum_uses, uses, created_at)
SELECT sha256(('code' || c.id)::bytea), c.id, now() - interval '300 days', 40, 40, now() - interval '310 days'
FROM (SELECT DISTINCT customer_id AS id FROM fleet) c;
INSERT INTO fleet_devices (terminal_id, serial_number, placed_at, removed_at, fate, reason)
SELECT id, 'OLD-' || n, now() - interval '400 days', now() - interval '100 days', 'repair', '液晶の不良'
FROM fleet WHERE n % 50 = 0;
"""

_REPORTS = """
INSERT INTO fleet_monthly_reports (month, customer_id, figures, pdf_id, csv_id, drafted_at, sent_at, sent_to)
SELECT m.month, c.id, CASE WHEN c.id IS NULL THEN %(whole)s::jsonb ELSE %(one)s::jsonb END
        || jsonb_build_object('month', to_char(m.month, 'YYYY-MM')),
    '00000000-0000-4000-8000-000000000100', '00000000-0000-4000-8000-000000000101', m.month + interval '1 month',
    CASE WHEN c.id %% 7 <> 0 THEN m.month + interval '33 days' END, CASE WHEN c.id %% 7 <> 0 THEN 'a@example.com' END
FROM today, (SELECT DISTINCT customer_id AS id FROM fleet UNION ALL SELECT NULL) c, LATERAL (
    SELECT (date_trunc('month', now() AT TIME ZONE 'Asia/Tokyo') - interval '1 month' * k)::date AS month
    FROM generate_series(1, 12) k) m
ON CONFLICT DO NOTHING
"""


def add_terminals(owner: psycopg.Connection, count: int) -> None:
    """A fleet that has sent no heartbeat yet."""
    owner.execute(
        "INSERT INTO fleet_customers (company_name, contact_person, contact_email, contact_phone) "
        "SELECT '顧客' || n, '担当', 'a@example.com', '03' FROM generate_series(1, %s) n",
        [CUSTOMERS],
    )
    grow_fleet(owner, count)


@contextmanager
def unsearched(owner: psycopg.Connection, table: str) -> Iterator[None]:
    """A million rows that nobody searches: without their twenty million terms."""
    owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER search_added")
    yield
    owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER search_added")


def grow_fleet(owner: psycopg.Connection, count: int) -> None:
    """Adds terminals of the same kind until there are so many."""
    owner.execute(
        "WITH customers AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM fleet_customers "
        "WHERE company_name LIKE '顧客%%' ORDER BY id LIMIT %(customers)s), added AS ("
        "INSERT INTO fleet_terminals (serial_number, customer_id, store_name) "
        "SELECT 'LOAD-' || lpad(n::text, 7, '0'), c.id, "
        "'店' || n / %(tills)s || ' レジ' || n %% %(tills)s + 1 || '番' "
        "FROM generate_series("
        "(SELECT count(*) FROM fleet_terminals WHERE serial_number LIKE 'LOAD-%%'), %(count)s - 1) n "
        "JOIN customers c ON c.place = n / %(tills)s %% %(customers)s ORDER BY n RETURNING id) "
        "INSERT INTO fleet_terminal_states (terminal_id) SELECT id FROM added",
        {"customers": CUSTOMERS, "tills": TILLS_PER_STORE, "count": count},
    )


def add_year(owner: psycopg.Connection) -> None:
    """For the terminals of `add_terminals`, of which there must be at least 1,200."""
    figures = {"whole": json.dumps(_figures(CUSTOMERS)), "one": json.dumps(_figures(1))}
    # When the product runs at the same time, it never finds anything to do: no day without its report, no offline
    # terminal without its alert.
    for step in (_FLEET, *_PARTITIONS, _TERMINALS, _FILES, _ENROLMENTS):
        owner.execute(step)
    owner.execute(_REPORTS, figures)
    for step in (_INCIDENTS, _MAINTENANCES, _STATES, _ROLLOUTS, _LOGS, _DAYS, _HEARTBEATS):
        owner.execute(step)
    owner.execute("VACUUM ANALYZE")


def _figures(customers: int) -> dict[str, object]:
    """The figures of a month, of so many customers with ten terminals each."""
    seconds = Seconds(2_590_000, 1_000, 500, 500)
    terminals = [
        TerminalFigure(f"LOAD-{n:07}", n // 10, f"顧客{n // 10}", f"店{n}", "2.1.0", seconds, 0.999, 1)
        for n in range(customers * 10)
    ]
    span = Span(100, 120.0, 900.0, 90, 660.0)
    days = [DayFigure((datetime.now(UTC) - timedelta(days=n)).date(), len(terminals), 0.998) for n in range(30)]
    counts = Counts(200, 3, {"offline": 150, "error": 50}, {"terminal": 180, "store": 20}, span, span, span)
    contacts = dict.fromkeys(range(customers), 3) if customers > 1 else None
    return monthly.dump_figures(build_figures(month_of(datetime.now(UTC)).plus(-1), terminals, days, counts, contacts))
