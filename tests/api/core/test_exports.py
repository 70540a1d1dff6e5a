"""Exported lists: complete, in the order of the screen, harmless in a spreadsheet, and never more than the user may
see."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from typing import IO, Any
from urllib.parse import quote

import openpyxl
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import literal, select, text, update
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.exports import answers, csv_file, excel_file
from service.core.exports.cells import in_csv
from service.core.exports.declared import Column
from service.core.files import deposit
from service.fleet.models import Terminal, TerminalState
from stack.home import ROOT
from tests import factories
from tests.spreadsheets import AS_SHOWN, CHANGED, FORMULAS
from tests.waiting import wait_for
from tests.workers import Environment, environment

__all__ = ["environment"]
SignIn = Callable[..., TestClient]
EVIL = '=HYPERLINK("http://evil.example","クリック")'


def read(content: bytes) -> list[list[str]]:
    assert content.startswith(csv_file.BOM)
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))


def test_the_list_of_terminals_as_csv(sign_in: SignIn, db: Session) -> None:
    customer = factories.customer(db, "ABC商事")
    first = factories.terminal(db, customer, "TC200-1", "新宿店, レジ1番")
    first.installed_date = date(2026, 4, 1)
    db.flush()
    last_heartbeat_at = datetime.fromisoformat("2026-11-21T00:05:00+00:00")
    state = {"status": "error", "error": EVIL, "last_heartbeat_at": last_heartbeat_at, "cpu_usage": 42}
    db.execute(update(TerminalState).where(TerminalState.terminal_id == first.id).values(**state))
    second = factories.terminal(db, customer, "TC200-2")
    db.execute(update(Terminal).where(Terminal.id == second.id).values(store_name='"池袋"\n店'))
    client = sign_in("alice", fleet="operator")

    answer = client.get("/api/fleet/terminals.csv")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert f"filename*=UTF-8''{quote('端末一覧_')}" in answer.headers["content-disposition"]
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.content.count(b"\r\n") == 3
    header, offline, wrong = read(answer.content)
    assert header[:7] == ["シリアル番号", "顧客企業", "設置店舗名", "状態", "エラー内容", "最終通信", "ファームウェア"]
    assert offline[:4] == ["TC200-2", "ABC商事", '"池袋"\n店', "オフライン"]
    assert wrong[:6] == ["TC200-1", "ABC商事", "新宿店, レジ1番", "エラー", f"'{EVIL}", "2026/11/21 09:05"]
    assert wrong[8:] == ["42", "0", "0", "2026/04/01", "", ""]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "＝", "＋", "－", "＠"])
def test_no_exported_text_is_a_formula(sign_in: SignIn, db: Session, sign: str) -> None:
    terminal = factories.terminal(db, serial_number="TC200-1")
    db.execute(update(Terminal).where(Terminal.id == terminal.id).values(store_name=f"{sign}1+1"))
    client = sign_in("alice", fleet="operator")

    assert read(client.get("/api/fleet/terminals.csv").content)[1][2] == f"'{sign}1+1"
    sheet = openpyxl.load_workbook(io.BytesIO(client.get("/api/fleet/terminals.xlsx").content)).active
    assert sheet is not None
    assert (sheet["C2"].value, sheet["C2"].data_type, sheet["C2"].number_format) == (f"{sign}1+1", "s", "@")


def test_the_database_writes_cells_as_python_does(db: Session) -> None:
    texts = [*AS_SHOWN, *CHANGED, *FORMULAS, "新宿店", "", "DECATHLON", "1番", "a\nb"]
    cells = [csv_file._cell(Column("x", "x"), literal(text)).label(f"x{index}") for index, text in enumerate(texts)]

    assert [*db.execute(select(*cells)).one()] == [in_csv(text) for text in texts]


def test_hidden_characters_are_marked_in_files(sign_in: SignIn, db: Session) -> None:
    terminal = factories.terminal(db, serial_number="TC200-1")
    db.execute(update(Terminal).where(Terminal.id == terminal.id).values(store_name="新宿\u202e店\u200b"))
    client = sign_in("alice", fleet="operator")

    assert read(client.get("/api/fleet/terminals.csv").content)[1][2] == "新宿［U+202E］店［U+200B］"
    sheet = openpyxl.load_workbook(io.BytesIO(client.get("/api/fleet/terminals.xlsx").content)).active
    assert sheet is not None
    assert sheet["C2"].value == "新宿［U+202E］店［U+200B］"


def test_the_filters_of_the_list_apply_and_the_export_is_audited(sign_in: SignIn, db: Session) -> None:
    factories.terminal(db, serial_number="TC200-1", store_name="100%の店")
    factories.terminal(db, serial_number="TC200-2", store_name="1000の店")
    client = sign_in("alice", fleet="operator")

    answer = client.get("/api/fleet/terminals.csv", params={"q": "100%", "status": "offline"})

    assert [row[0] for row in read(answer.content)] == ["シリアル番号", "TC200-1"]
    entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "export")).one()
    assert (entry.actor, entry.subject) == ("alice", "fleet.terminals")
    assert entry.after == {"rows": 1, "format": "csv", "filters": {"q": "100%", "status": "offline"}}
    assert client.get("/api/fleet/terminals.csv", params={"q": "'; DROP TABLE x; --"}).status_code == 200
    assert client.get("/api/fleet/terminals.csv", params={"status": "gone"}).status_code == 422


def test_a_workbook_keeps_numbers_and_dates(sign_in: SignIn, db: Session) -> None:
    terminal = factories.terminal(db, serial_number="0012")
    terminal.installed_date = date(2026, 4, 1)
    last_heartbeat_at = datetime.fromisoformat("2026-11-21T00:05:00+00:00")
    db.execute(update(TerminalState).values(last_heartbeat_at=last_heartbeat_at, cpu_usage=42))
    client = sign_in("alice", fleet="operator")

    answer = client.get("/api/fleet/terminals.xlsx")

    sheet = openpyxl.load_workbook(io.BytesIO(answer.content))["端末一覧"]
    values = {str(sheet.cell(1, column).value): sheet.cell(2, column).value for column in range(1, 13)}
    assert (values["シリアル番号"], sheet["A2"].number_format) == ("0012", "@")
    assert values["最終通信"] == datetime.fromisoformat("2026-11-21T09:05")
    assert values["設置日"] == datetime.fromisoformat("2026-04-01")
    assert values["CPU（%）"] == 42


def test_customers_too(sign_in: SignIn, db: Session) -> None:
    factories.terminal(db, factories.customer(db, "ABC商事"))
    client = sign_in("alice", fleet="operator")

    header, row = read(client.get("/api/fleet/customers.csv").content)

    assert dict(zip(header, row, strict=True))["端末数"] == "1"
    assert row[:5] == ["ABC商事", "青木 誠", "aoki@example.com", "03-1234-5678", "ベーシック保守"]
    assert client.get("/api/fleet/customers.xlsx").content.startswith(b"PK")


def test_a_user_without_the_permission_exports_nothing(sign_in: SignIn, db: Session) -> None:
    factories.terminal(db)
    client = sign_in("charlie", fleet="viewer")

    for path in ("terminals.csv", "terminals.xlsx", "customers.csv", "customers.xlsx"):
        assert client.get(f"/api/fleet/{path}").status_code == 403
    assert client.post("/api/core/exports", json={"list": "fleet.terminals"}).status_code == 403


def test_an_unknown_list_and_an_unknown_order_are_refused_in_words(sign_in: SignIn) -> None:
    client = sign_in("alice", fleet="operator")

    assert client.post("/api/core/exports", json={"list": "fleet.secrets"}).status_code == 404
    assert client.get("/api/fleet/terminals.csv", params={"sort": "color"}).status_code == 422


def test_an_export_keeps_the_order_of_the_screen(sign_in: SignIn, db: Session) -> None:
    for serial in ("TC200-2", "TC200-1", "TC200-3"):
        factories.terminal(db, serial_number=serial)
    client = sign_in("alice", fleet="operator")

    rows = read(client.get("/api/fleet/terminals.csv", params={"sort": "-serial_number"}).content)

    assert [row[0] for row in rows[1:]] == ["TC200-3", "TC200-2", "TC200-1"]


def test_a_list_that_takes_too_long_says_what_to_do(
    sign_in: SignIn, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sign_in("alice", fleet="operator")
    monkeypatch.setattr(csv_file, "_compiled", lambda _: ("SELECT pg_sleep(20)", {}))
    db.execute(text("SET LOCAL statement_timeout = '200ms'"))

    answer = client.get("/api/fleet/terminals.csv")

    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("時間内に書き出せませんでした。条件で絞り込むか、「処理状況」で")


def test_a_long_list_is_refused_as_a_workbook_with_the_way_to_get_it(
    sign_in: SignIn, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    factories.terminal(db), factories.terminal(db)
    client = sign_in("alice", fleet="operator")
    monkeypatch.setattr(answers, "MAX_EXCEL_ROWS", 2)
    assert client.get("/api/fleet/terminals.xlsx").status_code == 200

    monkeypatch.setattr(answers, "MAX_EXCEL_ROWS", 1)
    refused = client.get("/api/fleet/terminals.xlsx")

    assert refused.status_code == 413
    assert "2件あります" in refused.json()["detail"]
    assert client.get("/api/fleet/terminals.csv").status_code == 200


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_long_list_is_written_by_a_worker(environment: Environment, kind: str) -> None:
    client = environment.sign_in("alice", fleet="operator")
    environment.rows(
        "INSERT INTO fleet_customers (company_name, contact_person, contact_email, contact_phone) "
        "SELECT '顧客' || n, '担当', 'a@example.com', '03' FROM generate_series(1, 300) n"
    )
    new = {"list": "fleet.customers", "format": kind}
    task = client.post("/api/core/exports", json=new).json()

    assert environment.run()

    done = client.get(f"/api/core/tasks/{task['id']}").json()
    assert (done["state"], done["figures"], done["done_count"]) == ("done", {"件数": 300}, 300)
    answer = client.get(f"/api/core{done['result_url']}")
    if kind == "csv":
        assert len(read(answer.content)) == 301
    else:
        sheet = openpyxl.load_workbook(io.BytesIO(answer.content), read_only=True).worksheets[0]
        assert len(list(sheet.iter_rows())) == 301
    assert environment.sign_in("bob", fleet="operator").get(f"/api/core{done['result_url']}").status_code == 404
    rows = environment.rows("SELECT after ->> 'rows' FROM audit_entries WHERE action = 'export'")
    assert rows == [("300",)]


IDLE = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction' "
    "AND pid <> pg_backend_pid()"
)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_no_transaction_is_idle_while_the_file_is_packed_and_stored(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """PostgreSQL ends a transaction that is idle for a minute; a large file takes longer than that."""
    client = environment.sign_in("alice", fleet="operator")
    client.post("/api/core/exports", json={"list": "fleet.customers", "format": kind})
    steps = []

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def watching(*args: Any, **kwargs: Any) -> Any:
            steps.append(name)
            wait_for(lambda: environment.rows(IDLE) == [(0,)], seconds=3)  # the heartbeat of the worker has short ones
            return function(*args, **kwargs)

        return watching

    monkeypatch.setattr(deposit, "store", watched("stored", deposit.store))
    monkeypatch.setattr(excel_file.Book, "save", watched("packed", excel_file.Book.save))
    assert environment.run()

    assert steps == (["stored"] if kind == "csv" else ["packed", "stored"])
    assert environment.rows("SELECT state FROM tasks") == [("done",)]


def test_a_direct_workbook_is_packed_after_its_transaction(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = environment.sign_in("alice", fleet="operator")
    packed, save = [], excel_file.Book.save

    def watched(book: excel_file.Book, out: IO[bytes]) -> None:
        packed.append(environment.rows(IDLE))
        assert environment.rows("SELECT count(*) FROM audit_entries WHERE action = 'export'") == [(1,)]
        save(book, out)

    monkeypatch.setattr(excel_file.Book, "save", watched)

    assert client.get("/api/fleet/customers.xlsx").content.startswith(b"PK")
    assert packed == [[(0,)]]


MEASURE = """
import resource, tempfile
from service.core.access.auth import Actor
from service.core.database.clock import real_now
from service.core.database.session import SYSTEM, transaction
from service.core.exports import csv_file
from service.fleet import exports, schemas
nobody = Actor(0, "", "", {}, {}, SYSTEM, 0, real_now(), "-")
def grown():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with transaction(SYSTEM) as db, tempfile.TemporaryFile() as out:
        rows = csv_file.write(db, nobody, exports.CUSTOMERS, schemas.CustomerFilters(), out)
    return rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
grown()
print(*grown())
"""


@pytest.mark.deep
def test_a_hundred_thousand_rows_leave_memory_as_it_was(environment: Environment) -> None:
    """The first run warms up; the second may take only a few megabytes more."""
    for first in range(0, 100_000, 10_000):  # One statement would run into its time limit: 探す is told of each row.
        environment.rows(
            "INSERT INTO fleet_customers (company_name, contact_person, contact_email, contact_phone) "
            "SELECT '株式会社顧客 ' || n, '担当 太郎', 'a@example.com', '03-1234-5678' "
            f"FROM generate_series({first + 1}, {first + 10_000}) n"
        )
    process = subprocess.run(
        [sys.executable, "-c", MEASURE],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": environment.url},
        capture_output=True,
        text=True,
        check=True,
    )

    rows, kilobytes = map(int, process.stdout.split())
    assert rows == 100_000
    assert kilobytes < 4 * 1024
