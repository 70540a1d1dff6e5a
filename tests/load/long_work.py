"""Rows of `make bench` about long lists and long files: an export of a million rows, an import of ten thousand."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2
import psycopg

from stack.home import ROOT
from tests.load.ground import Ground
from tests.sight import seeing_all

ROWS = 1_000_000
IMPORTED = 10_000
MEGABYTE = 1024 * 1024


def fill(made: Ground) -> None:
    with psycopg.connect(seeing_all(made.environ["DATABASE_OWNER_URL"]), autocommit=True) as owner:
        owner.execute(
            "INSERT INTO fleet_customers (company_name, contact_person, contact_email, contact_phone) "
            "SELECT '株式会社 一覧の' || n, '担当 太郎', 'taro@example.com', '03-1234-5678' "
            "FROM generate_series(1, %s - (SELECT count(*) FROM fleet_customers)) n",
            [ROWS],
        )
        owner.execute("VACUUM ANALYZE fleet_customers")


def export(made: Ground) -> tuple[float, float, int]:
    """Seconds to the last byte, MiB the service grew by, and rows, over HTTP."""
    token = _run(made, TOKEN).strip()
    with (
        made.serving("service.main:app") as (port, process),
        httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as http,
    ):
        headers = {"Authorization": f"Bearer {token}"}
        if http.get("/api/fleet/customers", headers=headers).status_code != 200:
            raise SystemExit("the list is refused; nothing was measured")
        before = peak(process.pid)
        begun, rows = time.perf_counter(), 0
        with http.stream("GET", "/api/fleet/customers.csv", headers=headers) as answer:
            for chunk in answer.iter_bytes():
                rows += chunk.count(b"\n")
        seconds = time.perf_counter() - begun
        return seconds, (peak(process.pid) - before) / MEGABYTE, rows - 1


def naive_export(made: Ground) -> tuple[float, float]:
    """The same list as one would write it first: rows in a list, a list in the csv module, its text in an answer."""
    seconds, grown = _run(made, NAIVE).split()
    return float(seconds), float(grown) / MEGABYTE


def import_rows(made: Ground) -> float:
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
        return float(_run(made, IMPORT, **told))


def _run(made: Ground, code: str, **told: str) -> str:
    environ = made.environ | told | {"FILES_URL": (made.home.path / "files").as_uri()}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit("a row of the bench failed; see above")
    return done.stdout.splitlines()[-1]


def peak(pid: int) -> int:
    """The most memory it ever had at once, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


TOKEN = """
from datetime import timedelta
from service.core.db import SYSTEM, transaction
from service.core.identity import open_session
from tests.cast import person
with transaction(SYSTEM) as db:
    token, _ = open_session(db, person(db, "exporter", fleet="admin"), "bench", timedelta(hours=1))
print(token)
"""
NAIVE = """
import csv, io, resource, time
from service.core.db import SYSTEM, transaction
from service.fleet import queries, schemas
from tests.cast import actor
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
with transaction(SYSTEM) as db:
    by = actor(db, "naive", fleet="admin")
    before, begun = peak(), time.perf_counter()
    rows = db.execute(queries.customers_to_take_along(by, schemas.CustomerFilters())).all()
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    body = out.getvalue().encode("utf-8-sig")
    print(time.perf_counter() - begun, peak() - before)
"""
IMPORT = """
import os, threading, time
from jobs.long.kinds import kinds
from service.core.db import SYSTEM, transaction
from service.core.imports import records
from service.core.imports.kinds import kind_for
from service.core.tasks.records import Task
from service.core.tasks.runner import run_next
from tests.cast import actor
kind = os.environ["IMPORT_KIND"]
with open(os.environ["IMPORT_FILE"], "rb") as file:
    content = file.read()
with transaction(SYSTEM) as db:
    by = actor(db, "importer of " + kind + str(len(content)), **{kind.partition(".")[0]: "admin"})
begun = time.perf_counter()
with transaction(by.scopes) as db:
    draft = records.add(db, by, kind_for(by, kind), records.read(content), os.environ["IMPORT_NAME"])
with transaction(by.scopes) as db:
    task_id = records.run(db, by, draft.id).id
run_next(kinds(), threading.Event())
seconds = time.perf_counter() - begun
with transaction(SYSTEM) as db:
    task = db.get_one(Task, task_id)
    assert task.result["figures"]["新規"] == int(os.environ["IMPORT_ROWS"]), task.error
print(seconds)
"""
