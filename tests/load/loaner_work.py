"""Row `loaners` of `make bench`: 代替機管理, lists as of any day and the summary, over 5,000 devices and 300,000
events."""

from __future__ import annotations

import psycopg

from tests.load import long_work
from tests.load.environment import BenchEnvironment
from tests.load.rows import Claim, RowResult
from tests.sheets import TURNS, long_history

DEVICES, EVENTS_PER_DEVICE = 5_000, 60
IMPORTED = 10_000


# Ten sites; each device was registered three years ago and then lent, collected and stored in turns, every eighteen
# days plus some hours. The projections of the events are written as the product would write them.
_FILL = """
INSERT INTO loaners_sites (key, code, name, jurisdiction, group_mail)
SELECT 'site' || n, 'SITE' || chr(64 + n), '拠点' || n, CASE n % 2 WHEN 0 THEN '関東' ELSE '九州' END, 'a@example.com'
FROM generate_series(1, 7) n;
INSERT INTO loaners_devices (number, kind, category, model_id, serial, asset_number)
SELECT s.code || '_' || CASE n % 5 WHEN 0 THEN 'Printer' WHEN 1 THEN 'SV' ELSE 'Laptop' END || '_' || m.name
    || '_S' || n || '_001', CASE n % 5 WHEN 0 THEN 'printer' ELSE 'terminal' END,
    CASE n % 5 WHEN 0 THEN 'Printer' WHEN 1 THEN 'Server' ELSE 'Laptop' END, m.id, 'S' || n, 'ASSET-' || n
FROM generate_series(1, 5000) n
JOIN (SELECT code, row_number() OVER (ORDER BY id) - 1 AS place FROM loaners_sites) s ON s.place = n % 10
JOIN loaners_models m ON m.name = CASE n % 5 WHEN 0 THEN 'imageClass-MF644Cdw' ELSE 'ThinkPad-X1-Carbon' END;
INSERT INTO loaners_events (device_id, kind, effective_at, recorded_at, form_id, answers, status, held, deposit,
    borrower, due_on, site_id, source, actor, actor_name)
SELECT d.id, CASE e WHEN 0 THEN 'registered' ELSE 'form' END, at, at,
    CASE WHEN e > 0 THEN f.id END,
    CASE WHEN e = 0 THEN '{}' WHEN e % 3 = 1 THEN jsonb_build_object('0-4', '1.貸出中', '1-1', '山田太郎', '1-6',
        '貸出先' || d.id % 400, '1-7', to_char(at, 'YYYY-MM-DD'), '1-4', '有り')
    WHEN e % 3 = 2 THEN jsonb_build_object('0-4', '2.回収後社内保管', '2-1', to_char(at, 'YYYY-MM-DD'))
    ELSE jsonb_build_object('0-4', '3.社内にて保管中', '3-0', '3.貸出可能', '3-3-1', '倉庫A-' || d.id % 9) END,
    CASE WHEN e > 0 THEN CASE e % 3 WHEN 1 THEN 1 WHEN 2 THEN 2 ELSE 3 END END,
    CASE WHEN e % 3 = 1 AND e > 0 THEN true END,
    CASE WHEN e % 3 = 1 AND e > 0 AND d.id % 5 > 0 THEN d.id % 5 END,
    CASE WHEN e % 3 = 1 THEN '貸出先' || d.id % 400 ELSE '' END,
    CASE WHEN e % 3 = 1 THEN (at + interval '14 days')::date END,
    CASE e WHEN 0 THEN s.id END, 'form', 'staff', '拠点 次郎'
FROM loaners_devices d
JOIN loaners_sites s ON s.code = split_part(d.number, '_', 1)
JOIN loaners_forms f ON f.kind = d.kind AND f.number = 2
CROSS JOIN generate_series(0, 59) e
CROSS JOIN LATERAL (
    SELECT now() - interval '1090 days' + e * interval '18 days' + d.id % 400 * interval '1 hour' AS at
) moment
WHERE d.serial LIKE 'S%';
INSERT INTO loaners_states (device_id, during, event_id, form_event_id, site_id, status, held, deposit)
SELECT e.device_id,
    tstzrange(e.effective_at, lead(e.effective_at) OVER (PARTITION BY e.device_id ORDER BY e.effective_at)),
    e.id, CASE WHEN e.form_id IS NOT NULL THEN e.id END, s.id, e.status, e.held, e.deposit
FROM loaners_events e JOIN loaners_devices d ON d.id = e.device_id
JOIN loaners_sites s ON s.code = split_part(d.number, '_', 1);
INSERT INTO loaners_loans (device_id, during, first_event_id, last_event_id, borrower, loan_number, due_on)
SELECT s.device_id, s.during, s.event_id, s.event_id, e.borrower, '', e.due_on
FROM loaners_states s JOIN loaners_events e ON e.id = s.event_id WHERE s.status = 1;
"""
LISTS = {
    "INTEGRATED": "/api/loaners/lists/INTEGRATED?limit=50",
    "NORMAL, 貸出中": "/api/loaners/lists/NORMAL?status=1&limit=50",
    "a month ago": "/api/loaners/lists/INTEGRATED?limit=50&as_of={month}",
    "a year ago, 貸出中": "/api/loaners/lists/NORMAL?status=1&limit=50&as_of={year}",
    "two years ago, 監査 of a 管轄": (
        "/api/loaners/lists/AUDIT?limit=50&sort=-updated_at&jurisdiction=%E9%96%A2%E6%9D%B1&as_of={years}"
    ),
    "a year ago, found by a word": (
        "/api/loaners/lists/INTEGRATED?limit=50&q=%E8%B2%B8%E5%87%BA%E5%85%887&as_of={year}"
    ),
}


def fill(connection: psycopg.Connection) -> None:
    connection.execute(_FILL)
    connection.execute("VACUUM ANALYZE")


def claims(environment: BenchEnvironment) -> RowResult:
    with environment.owner_connection() as connection:
        fill(connection)
    [[events, month, year, years]] = environment.rows(
        "SELECT (SELECT count(*) FROM loaners_events), current_date - 30, current_date - 365, current_date - 730"
    )
    import_seconds, token = _measure_import(environment), environment.create_session_token("staff", "loaners")
    days = {"month": month, "year": year, "years": years}
    with environment.running_service() as service:
        lists = {name: service.measure_reads(token, path.format(**days)) for name, path in LISTS.items()}
        summary = service.measure_reads(token, "/api/loaners/summary")
        loans = service.measure_reads(token, "/api/loaners/loans?limit=50")
    list_claim = Claim.in_time(f"any list as of any day over {DEVICES:,} devices and {events:,} events", 300, lists)
    list_claim.holds &= events >= DEVICES * EVENTS_PER_DEVICE
    return [], [
        list_claim,
        Claim.in_time("the summary over the same", 100, {"": summary}),
        Claim.under(30, "s", f"a workbook of {IMPORTED:,} rows of history taken in", import_seconds, digits=1),
        Claim.in_time("open loans over the same", 300, {"": loans}),
    ]


def _measure_import(environment: BenchEnvironment) -> float:
    """Seconds for an import of a collection workbook from Excel, whose devices were imported before."""
    devices, history = long_history(IMPORTED // TURNS)
    long_work.import_file(environment, "loaners.devices", devices, "bench.xlsx", IMPORTED // TURNS)
    return long_work.import_file(environment, "loaners.history", history, "bench.xlsx", IMPORTED)
