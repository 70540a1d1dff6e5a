"""Row `long` of `make bench`: long lists and long files, an export of a million rows, an import of ten thousand."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import httpx2

from tests.load.ground import Ground, Served
from tests.load.rows import Goal, Part
from tests.processes import last_line

ROWS = 1_000_000
IMPORTED = 10_000
MEGABYTE = 1024 * 1024


def claims(made: Ground) -> Part:
    seconds = _import_rows(made)
    _fill(made)
    with made.serving() as served:
        export_seconds, export = exported(served, made.sign_in("admin"), "/api/fleet/customers.csv", ROWS)
    naive_seconds, naive_grown = map(float, last_line("-c", NAIVE, environ=made.environ).split())
    against = f"{naive_seconds / export_seconds:.1f}× faster than naive"
    export.measured += f"; {against}, which grows by {naive_grown / MEGABYTE:,.0f} MiB"
    what = f"{IMPORTED:,} rows read, checked, imported and audited under 30 s"
    return [], [export, Goal(what, f"{seconds:.1f} s", seconds < 30)]


def _fill(made: Ground) -> None:
    with made.owner() as owner:
        owner.execute(
            "INSERT INTO fleet_customers (company_name, contact_person, contact_email, contact_phone) "
            "SELECT '株式会社 一覧の' || n, '担当 太郎', 'taro@example.com', '03-1234-5678' "
            "FROM generate_series(1, %s - (SELECT count(*) FROM fleet_customers)) n",
            [ROWS],
        )
        owner.execute("VACUUM ANALYZE fleet_customers")


def exported(served: Served, token: str, path: str, wanted: int, what: str = "rows") -> tuple[float, Goal]:
    """Seconds to the last byte of a list as a file, and the claim that the service does not grow with it."""
    with httpx2.Client(base_url=served.url, timeout=120, headers={"Authorization": f"Bearer {token}"}) as http:
        # What a process loads for its first answer is no part of it.
        if http.get(path.removesuffix(".csv")).status_code != 200:
            raise SystemExit("the list is refused; nothing was measured")
        before, begun, rows = _peak(served.pid), time.perf_counter(), -1
        with http.stream("GET", path) as answer:
            for chunk in answer.iter_bytes():
                rows += chunk.count(b"\n")
    seconds, grown = time.perf_counter() - begun, (_peak(served.pid) - before) / MEGABYTE
    return seconds, Goal(
        f"{rows:,} {what} as CSV over HTTP: the service grows by at most 16 MiB",
        f"{grown:.0f} MiB in {seconds:.1f} s",
        grown <= 16 and rows == wanted,
    )


def _import_rows(made: Ground) -> float:
    """Seconds from the bytes of a file of terminals to the end of its task."""
    lines = ["シリアル番号,顧客企業,設置店舗名,設置日"]
    lines += [f"IMPORT-{n:06},顧客{1 + n % 100},新宿店 レジ{n}番,2026/4/1" for n in range(IMPORTED)]
    return import_file(made, "fleet.terminals", "\r\n".join(lines).encode("cp932"), "bench.csv", IMPORTED)


def import_file(made: Ground, kind: str, content: bytes, name: str, rows: int) -> float:
    """Seconds from a file's bytes to the end of its task, which has to find so many new rows in it."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        told = {"IMPORT_FILE": file.name, "IMPORT_KIND": kind, "IMPORT_NAME": name, "IMPORT_ROWS": str(rows)}
        return float(last_line("-c", IMPORT, environ=made.environ | told))


def _peak(pid: int) -> int:
    """The most memory it ever had at once, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


# The same list as one would write it first: rows in a list, a list in the csv module, its text in an answer.
NAIVE = """
import csv, io, resource, time
from service.core.database.session import SYSTEM, transaction
from service.fleet import queries, schemas
from tests.people import actor
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
with transaction(SYSTEM) as db:
    by = actor(db, "naive", fleet="admin")
    before, begun = peak(), time.perf_counter()
    rows = db.execute(queries.export_customers(by, schemas.CustomerFilters())).all()
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    body = out.getvalue().encode("utf-8-sig")
    print(time.perf_counter() - begun, peak() - before)
"""
IMPORT = """
import os, threading, time
from jobs.long.kinds import kinds
from service.core.database.session import SYSTEM, transaction
from service.core.imports import records
from service.core.imports.kinds import kind_for
from service.core.tasks.records import Task
from service.core.tasks.runner import run_next
from tests.people import actor
kind = os.environ["IMPORT_KIND"]
with open(os.environ["IMPORT_FILE"], "rb") as file:
    content = file.read()
with transaction(SYSTEM) as db:
    by = actor(db, "importer of " + kind + str(len(content)), **{kind.partition(".")[0]: "admin"})
begun = time.perf_counter()
with transaction(by.scopes) as db:
    draft = records.add(db, by, kind_for(by, kind), records.read(content), os.environ["IMPORT_NAME"])
with transaction(by.scopes) as db:
    task_id = records.start_import(db, by, draft.id).id
run_next(kinds(), threading.Event())
seconds = time.perf_counter() - begun
with transaction(SYSTEM) as db:
    task = db.get_one(Task, task_id)
    assert task.result["figures"]["新規"] == int(os.environ["IMPORT_ROWS"]), task.error
print(seconds)
"""
