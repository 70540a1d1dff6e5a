"""Imports: what a file would do is shown first, then all of it is done or nothing; a second import of it changes
nothing."""

from __future__ import annotations

import csv
import io
import os
import signal
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from openpyxl import Workbook

from jobs import core as core_jobs
from service.core.database.session import SYSTEM, Scopes, transaction
from service.core.imports import kinds, records, text_files
from service.core.imports.sheets import Sheet
from service.core.tasks.lease import MAX_ATTEMPTS
from service.core.tasks.work import Work
from service.core.values import phones
from tests import people
from tests.waiting import wait_for
from tests.workers import Environment, environment

__all__ = ["environment"]
CUSTOMERS = """会社名,担当者,メールアドレス,電話番号,契約種別
ABC商事,青木 誠,aoki@abc.example,03-1234-5678,プレミアム
XYZ商店,小林 由美,kobayashi@xyz.example,０３－１２３４－５６７９,
"""
TERMINALS = """シリアル番号（必須）,顧客企業,設置店舗名,設置日,備考
TC200-0001,ABC商事,新宿店 レジ1番,2026/4/1,x
TC200-0002,XYZ商店,渋谷店 レジ1番,2026年4月2日,
TC200-0003,ABC商事,新宿店 レジ2番,,
"""


def request_import(
    client: TestClient, content: str | bytes, kind: str = "fleet.customers", name: str = "一覧.csv"
) -> Any:
    """Uploads the file and begins its import; the answer."""
    raw = content.encode() if isinstance(content, str) else content
    uploaded = client.put(
        "/api/core/files", params={"name": name, "purpose": f"{kind.partition('.')[0]}.import"}, content=raw
    )
    assert uploaded.status_code == 201, uploaded.text
    return client.post("/api/core/imports", json={"kind": kind, "file_id": uploaded.json()["id"]})


def begin_import(
    client: TestClient, content: str | bytes, kind: str = "fleet.customers", name: str = "一覧.csv"
) -> Any:
    answer = request_import(client, content, kind, name)
    assert answer.status_code == 201, answer.text
    return answer.json()


def run_import(
    environment: Environment, client: TestClient, content: str | bytes, kind: str = "fleet.customers"
) -> Any:
    """Begins and runs the import; the finished task."""
    task = client.post(f"/api/core/imports/{begin_import(client, content, kind)['id']}/run")
    assert task.status_code == 202, task.text
    assert environment.run()
    return client.get(f"/api/core/tasks/{task.json()['id']}").json()


def preview(client: TestClient, draft: dict[str, Any]) -> Any:
    return client.get(f"/api/core/imports/{draft['id']}/preview").json()


def customers(environment: Environment) -> list[tuple[Any, ...]]:
    return environment.rows(
        "SELECT company_name, contact_person, contact_phone, contract_type FROM fleet_customers ORDER BY company_name"
    )


def test_a_file_of_customers_is_previewed_run_and_reported(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = environment.person("alice", fleet="admin")

    draft = begin_import(client, CUSTOMERS)
    assert (draft["format"], draft["row_count"]) == ("CSV（UTF-8）", 2)
    assert draft["columns"] == {
        "company_name": 0,
        "contact_person": 1,
        "contact_email": 2,
        "contact_phone": 3,
        "contract_type": 4,
    }
    assert draft["counts"] == {"new": 2, "update": 0, "same": 0, "error": 0}
    assert preview(client, draft)["rows"][0]["values"]["会社名"] == "ABC商事"
    assert customers(environment) == []

    task = client.post(f"/api/core/imports/{draft['id']}/run").json()
    assert task["title"] == "顧客企業の取り込み（一覧.csv）"
    assert (task["state"], task["percent"], task["message"]) == ("waiting", 0, "2行を取り込みます。")
    assert client.post(f"/api/core/imports/{draft['id']}/run").status_code == 409
    messages: list[str] = []
    original_progress = Work.progress

    def progress(work: Work, done: int, total: int | None = None, message: str = "") -> None:
        messages.append(f"{done}/{total} {message}")
        original_progress(work, done, total, message)

    monkeypatch.setattr(Work, "progress", progress)
    environment.run()
    assert messages == [
        "0/4 内容を確認しています（2行のうち0行）",
        "2/4 内容を確認しています（2行のうち2行）",
        "2/4 新しく登録しています（2行のうち0行）",
        "4/4 ",
    ]

    done = client.get(f"/api/core/tasks/{task['id']}").json()
    assert (done["state"], done["percent"]) == ("done", 100)
    assert done["message"] == "2行を取り込みました。新規 2社、更新 0社、変更なし 0社です。"
    assert done["figures"] == {"新規": 2, "更新": 0, "変更なし": 0}
    assert customers(environment) == [
        ("ABC商事", "青木 誠", "03-1234-5678", "premium"),
        ("XYZ商店", "小林 由美", "03-1234-5679", "basic"),
    ]
    audited = environment.rows(
        "SELECT actor, action, after ->> 'company_name' FROM audit_entries WHERE subject = 'customer' ORDER BY id"
    )
    assert audited == [("alice", "create", "ABC商事"), ("alice", "create", "XYZ商店")]


def test_the_same_file_again_changes_nothing_and_an_edit_changes_its_row_only(environment: Environment) -> None:
    client = environment.person("alice", fleet="admin")
    run_import(environment, client, CUSTOMERS)

    assert run_import(environment, client, CUSTOMERS)["figures"] == {"新規": 0, "更新": 0, "変更なし": 2}

    edited = CUSTOMERS.replace("青木 誠", "青木 真").replace("プレミアム", "")
    draft = begin_import(client, edited)
    assert draft["counts"] == {"new": 0, "update": 1, "same": 1, "error": 0}
    [changed, _] = preview(client, draft)["rows"]
    assert (changed["outcome"], changed["before"]) == ("update", {"担当者": "青木 誠"})
    assert run_import(environment, client, edited)["figures"] == {"新規": 0, "更新": 1, "変更なし": 1}

    # A blank cell changes nothing: the contract type stays what it is.
    assert customers(environment)[0] == ("ABC商事", "青木 真", "03-1234-5678", "premium")
    audited = environment.rows(
        "SELECT before ->> 'contact_person', after ->> 'contact_person' FROM audit_entries WHERE action = 'update'"
    )
    assert audited == [("青木 誠", "青木 真")]


def test_terminals_find_their_customers_by_name(environment: Environment) -> None:
    client = environment.person("alice", fleet="admin")
    run_import(environment, client, CUSTOMERS)

    assert run_import(environment, client, TERMINALS, "fleet.terminals")["figures"]["新規"] == 3

    listed = client.get("/api/fleet/terminals", params={"q": "TC200-000"}).json()["items"]
    assert {(row["serial_number"], row["customer_name"], row["status"]) for row in listed} == {
        ("TC200-0001", "ABC商事", "offline"),
        ("TC200-0002", "XYZ商店", "offline"),
        ("TC200-0003", "ABC商事", "offline"),
    }
    dates = environment.rows("SELECT installed_date::text FROM fleet_terminals ORDER BY serial_number")
    assert dates == [("2026-04-01",), ("2026-04-02",), (None,)]
    moved = TERMINALS.replace("TC200-0001,ABC商事", "TC200-0001,XYZ商店")
    assert run_import(environment, client, moved, "fleet.terminals")["figures"] == {"新規": 0, "更新": 1, "変更なし": 2}


def test_every_error_names_row_and_column_and_nothing_can_be_run(environment: Environment) -> None:
    client = environment.person("alice", fleet="admin")
    run_import(environment, client, CUSTOMERS)
    wrong = TERMINALS + (
        "TC200 0004,ABC商事,店,2026/2/30,\n"
        "TC200-0001,ABC商事,店,,\n"
        ",ABC商事,店,,\n"
        "TC200-0005,知らない会社,店,,\n"
        f"TC200-0006,ABC商事,{'長' * 101},,\n"
        "TC200-0007,ABC商事,,,\n"
    )

    draft = begin_import(client, wrong, "fleet.terminals")

    assert draft["counts"] == {"new": 3, "update": 0, "same": 0, "error": 6}
    result = preview(client, draft)
    assert [f"{error['row']}行目 {error['field']}: {error['message']}" for error in result["errors"]] == [
        "5行目 設置日: 日付として読み取れません。2026/11/21 の形で入力してください。",
        "5行目 シリアル番号: 使えない文字が含まれているか、形式が正しくありません。",
        "6行目 シリアル番号: 2行目と同じ「TC200-0001」ですが、内容が違います。どちらかを削除してください。",
        "7行目 シリアル番号: 必須の項目です。",
        "8行目 顧客企業: 「知らない会社」という顧客企業は登録されていません。先に顧客企業を登録してください。",
        "9行目 設置店舗名: 100文字以内で入力してください。",
        "10行目 設置店舗名: 必須の項目です。",
    ]
    page = client.get(f"/api/core/imports/{draft['id']}/preview", params={"offset": 5, "limit": 1}).json()
    assert [error["row"] for error in page["errors"]] == [9]
    refused = client.post(f"/api/core/imports/{draft['id']}/run")
    assert refused.status_code == 422
    assert "エラーの行が6行あります" in refused.json()["detail"]
    error_file = client.get(f"/api/core/imports/{draft['id']}/errors.csv")
    rows = list(csv.reader(io.StringIO(error_file.content.decode("utf-8-sig"), newline="")))
    assert rows[0][:3] == ["行", "エラー内容", "シリアル番号（必須）"]
    assert rows[1][::2][:2] == ["5", "TC200 0004"]
    assert rows[1][1].startswith(
        "設置日: 日付として読み取れません。2026/11/21 の形で入力してください。 / シリアル番号: "
    )
    assert environment.rows("SELECT count(*) FROM fleet_terminals") == [(0,)]


def test_a_telephone_number_that_a_spreadsheet_has_shortened_is_not_imported(environment: Environment) -> None:
    client = environment.person("alice", fleet="admin")
    draft = begin_import(client, "会社名,担当者,メールアドレス,電話番号\n新宿商店,青木,a@shop.example,312345678\n")

    [row] = preview(client, draft)["rows"]
    assert row["errors"] == [f"2行目 電話番号: {phones.LOST_ZERO}"]


def test_a_row_that_is_twice_in_a_file_is_imported_once(environment: Environment) -> None:
    client = environment.person("alice", fleet="admin")
    run_import(environment, client, CUSTOMERS)
    twice = TERMINALS + TERMINALS.split("\n")[1] + "\n"

    assert run_import(environment, client, twice, "fleet.terminals")["figures"] == {"新規": 3, "更新": 0, "変更なし": 1}
    assert run_import(environment, client, twice, "fleet.terminals")["figures"] == {"新規": 0, "更新": 0, "変更なし": 4}
    assert environment.rows("SELECT count(*) FROM fleet_terminals") == [(3,)]


def test_rows_in_error_are_downloaded_as_a_harmless_csv_file(environment: Environment) -> None:
    client = environment.person("alice", fleet="admin")
    draft = begin_import(client, '会社名,担当者,メールアドレス,電話番号\n=1+1,"a\n=2",x,03\n', name="顧客.csv")

    answer = client.get(f"/api/core/imports/{draft['id']}/errors.csv")

    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert answer.content.endswith(b"\r\n")
    assert answer.headers["content-length"] == str(len(answer.content))
    assert quote("顧客_エラー.csv") in answer.headers["content-disposition"]
    [_, row] = csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    assert row[2:] == ["'=1+1", "a\n=2", "x", "03"]


def test_no_transaction_is_idle_while_a_file_is_read(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage may be slow, and a workbook takes seconds; no database connection may be blocked by that."""
    client = environment.person("alice", fleet="admin")
    idle = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction' "
        "AND pid <> pg_backend_pid()"
    )
    read, idle_counts = records.read, []

    def watched(content: bytes, sheet: str | None = None) -> Sheet:
        idle_counts.extend(environment.rows(idle))
        return read(content, sheet)

    monkeypatch.setattr(records, "read", watched)

    assert begin_import(client, CUSTOMERS)["counts"]["new"] == 2
    assert idle_counts == [(0,)]


def test_columns_are_mapped_by_hand_and_remembered(environment: Environment) -> None:
    client = environment.person("alice", fleet="admin")
    run_import(environment, client, CUSTOMERS)
    odd = "機番,会社名,場所\nTC200-0001,ABC商事,新宿店\n"

    draft = begin_import(client, odd, "fleet.terminals")
    assert draft["counts"] is None
    assert client.get(f"/api/core/imports/{draft['id']}/preview").status_code == 422
    assert client.post(f"/api/core/imports/{draft['id']}/run").status_code == 422
    path = f"/api/core/imports/{draft['id']}/mapping"
    for columns, message in (
        ({"company_name": 1}, "「シリアル番号」の列を選んでください"),
        ({"serial_number": 0, "store_name": 0}, "2つの項目に使われています"),
        ({"serial_number": 9}, "ファイルにない列"),
        ({"serial_number": 0, "color": 1}, "使えない項目"),
    ):
        refused = client.put(path, json={"columns": columns})
        assert refused.status_code == 422
        assert any(message in error["message"] for error in refused.json()["errors"])

    mapped = client.put(path, json={"columns": {"serial_number": 0, "company_name": 1, "store_name": 2}}).json()

    assert mapped["counts"] == {"new": 1, "update": 0, "same": 0, "error": 0}
    assert begin_import(client, odd, "fleet.terminals")["columns"] == {
        "serial_number": 0,
        "company_name": 1,
        "store_name": 2,
        "installed_date": None,
        "tags": None,
    }
    other = environment.person("anna", fleet="admin")
    assert begin_import(other, odd, "fleet.terminals")["columns"]["serial_number"] is None


def test_the_mapping_of_columns_is_remembered_for_each_tenant(environment: Environment) -> None:
    kind, sheet = kinds.kinds()["fleet.terminals"], text_files.read("機番,会社名,場所\nT1,ABC商事,店\n".encode())
    with transaction(SYSTEM) as db:
        alice = people.create_actor(db, "alice", fleet="admin")
    for tenant, remembered in ((1, None), (2, None), (1, 0)):
        bound_alice = replace(alice, scopes=Scopes(tenants=frozenset({("fleet", tenant)})))
        with transaction(bound_alice.scopes) as db:
            draft = records.add(db, bound_alice, kind, sheet, "端末.csv")
            assert draft.mapping["serial_number"] == remembered
            records.remap(db, bound_alice, draft.id, {"serial_number": 0, "company_name": 1, "store_name": 2})


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp932", "utf-16"])
def test_files_in_every_common_encoding_are_accepted(environment: Environment, encoding: str) -> None:
    client = environment.person("alice", fleet="admin")
    text = CUSTOMERS.replace(",", "\t") if encoding == "utf-16" else CUSTOMERS

    assert begin_import(client, text.encode(encoding))["counts"]["new"] == 2


def test_a_workbook_is_imported_from_the_chosen_sheet(environment: Environment) -> None:
    client = environment.person("alice", fleet="admin")
    book = Workbook()
    cover, sheet = book.active, book.create_sheet("顧客")
    assert cover is not None
    cover["A1"] = "表紙"
    for line in CUSTOMERS.splitlines():
        sheet.append(line.split(","))
    out = io.BytesIO()
    book.save(out)
    sent = client.put(
        "/api/core/files",
        params={"name": "顧客.xlsx", "purpose": "fleet.import"},
        content=out.getvalue(),
    ).json()

    refused = client.post("/api/core/imports", json={"kind": "fleet.customers", "file_id": sent["id"]})
    assert refused.status_code == 422
    chosen = {"kind": "fleet.customers", "file_id": sent["id"], "sheet": "顧客"}
    draft = client.post("/api/core/imports", json=chosen).json()

    assert (draft["format"], draft["sheets"], draft["counts"]["new"]) == ("Excel（顧客）", ["Sheet", "顧客"], 2)


def test_what_was_exported_comes_back_without_a_change(environment: Environment) -> None:
    """Round trip, with the harmless forms of dangerous names."""
    client = environment.person("alice", fleet="admin")
    run_import(environment, client, CUSTOMERS.replace("ABC商事", "=1+1 商事"))

    for path in ("/api/fleet/customers.csv", "/api/fleet/customers.xlsx"):
        draft = begin_import(client, client.get(path).content)
        assert draft["counts"] == {"new": 0, "update": 0, "same": 2, "error": 0}


def test_the_template_can_be_filled_in_and_sent(environment: Environment) -> None:
    client = environment.person("alice", fleet="admin")
    [customers_kind, terminals_kind] = client.get("/api/core/imports/kinds").json()
    assert [field["label"] for field in customers_kind["fields"] if not field["is_required"]] == ["契約種別"]
    assert terminals_kind["fields"][0]["is_key"]

    template = client.get("/api/core/imports/fleet.customers/template.csv")

    assert "attachment" in template.headers["content-disposition"]
    assert begin_import(client, template.content)["counts"]["new"] == 1


def test_a_user_without_the_permission_and_a_colleague_get_nothing(environment: Environment) -> None:
    client = environment.person("alice", fleet="admin")
    draft = begin_import(client, CUSTOMERS)
    operator, colleague = environment.person("olivia", fleet="operator"), environment.person("anna", fleet="admin")

    assert operator.get("/api/core/imports/kinds").status_code == 403
    assert operator.get("/api/core/imports/fleet.customers/template.csv").status_code == 403
    file = {"kind": "fleet.customers", "file_id": "00000000-0000-4000-8000-000000000000"}
    assert operator.post("/api/core/imports", json=file).status_code == 403
    assert client.post("/api/core/imports", json=file).status_code == 404
    assert client.post("/api/core/imports", json=file | {"kind": "fleet.secrets"}).status_code == 404
    for user, status in ((operator, 403), (colleague, 404)):
        path = f"/api/core/imports/{draft['id']}"
        for method, suffix in (("GET", ""), ("GET", "/preview"), ("GET", "/errors.csv"), ("POST", "/run")):
            assert user.request(method, path + suffix).status_code == status
        assert user.put(f"{path}/mapping", json={"columns": {}}).status_code == status


def test_an_abandoned_import_is_deleted(environment: Environment) -> None:
    client = environment.person("alice", fleet="admin")
    old, new = begin_import(client, CUSTOMERS), begin_import(client, CUSTOMERS)
    environment.rows("UPDATE imports SET created_at = app_now() - interval '8 days' WHERE id = :id", id=old["id"])

    core_jobs.sweep()

    assert client.get(f"/api/core/imports/{old['id']}").status_code == 404
    assert client.get(f"/api/core/imports/{new['id']}").status_code == 200


def test_a_change_after_the_preview_is_found_when_the_import_runs(environment: Environment) -> None:
    client = environment.person("alice", fleet="admin")
    run_import(environment, client, CUSTOMERS)
    draft = begin_import(client, TERMINALS, "fleet.terminals")
    task = client.post(f"/api/core/imports/{draft['id']}/run").json()
    environment.rows("UPDATE fleet_customers SET company_name = '新しい名前' WHERE company_name = 'XYZ商店'")

    environment.run()

    failed = client.get(f"/api/core/tasks/{task['id']}").json()
    assert failed["state"] == "failed"
    assert "1件も登録・変更していません" in failed["error"]
    assert "3行目 顧客企業" in failed["error"]
    assert failed["can_resume"]
    assert environment.rows("SELECT count(*) FROM fleet_terminals") == [(0,)]


def terminals_file(count: int) -> str:
    rows = (f"TC200-{n:06},ABC商事,店 {n}番,2026/4/1,\n" for n in range(1, count + 1))
    return TERMINALS.splitlines()[0] + "\n" + "".join(rows)


def test_1500_rows_are_imported_and_audited(environment: Environment) -> None:
    client = environment.person("alice", fleet="admin")
    run_import(environment, client, CUSTOMERS)

    done = run_import(environment, client, terminals_file(1_500), "fleet.terminals")

    assert (done["state"], done["figures"]["新規"]) == ("done", 1_500)
    assert environment.rows("SELECT count(*) FROM fleet_terminal_states") == [(1_500,)]
    assert environment.rows("SELECT count(*) FROM audit_entries WHERE subject = 'terminal'") == [(1_500,)]


def start_blocked_import(environment: Environment, client: TestClient) -> int:
    """A task for 1,499 new rows and one change to a row that the caller locks; its id."""
    run_import(environment, client, CUSTOMERS)
    run_import(environment, client, "シリアル番号,顧客企業,店舗\nTC200-001500,ABC商事,古い店\n", "fleet.terminals")
    draft = begin_import(client, terminals_file(1_500), "fleet.terminals")
    assert draft["counts"] == {"new": 1_499, "update": 1, "same": 0, "error": 0}
    task_id: int = client.post(f"/api/core/imports/{draft['id']}/run").json()["id"]
    return task_id


def is_waiting_for_the_lock(environment: Environment) -> bool:
    statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(environment.rows(statement)[0][0])


LOCK_ROW = "SELECT id FROM fleet_terminals WHERE serial_number = 'TC200-001500' FOR UPDATE"


def test_a_worker_killed_in_the_middle_of_an_import_leaves_nothing_and_another_does_it(
    environment: Environment,
) -> None:
    from sqlalchemy import text

    client = environment.person("alice", fleet="admin")
    task_id = start_blocked_import(environment, client)
    path = f"/api/core/tasks/{task_id}"
    with environment.session() as other:
        other.execute(text(LOCK_ROW))
        with environment.process() as worker:
            wait_for(lambda: is_waiting_for_the_lock(environment))
            wait_for(lambda: client.get(path).json()["percent"] == 50)
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait(10)
        assert client.get(path).json()["state"] == "running"
    wait_for(lambda: not is_waiting_for_the_lock(environment))
    assert environment.rows("SELECT count(*) FROM fleet_terminals") == [(1,)]
    assert not environment.run()

    environment.lease_runs_out()
    assert environment.run()

    done = client.get(path).json()
    assert (done["state"], done["figures"]) == ("done", {"新規": 1_499, "更新": 1, "変更なし": 0})
    assert environment.rows(
        "SELECT attempts, (SELECT count(*) FROM fleet_terminals) FROM tasks ORDER BY id DESC LIMIT 1"
    ) == [(2, 1_500)]


def test_an_import_that_kills_its_worker_each_time_fails_in_words(environment: Environment) -> None:
    client = environment.person("alice", fleet="admin")
    task_id = start_blocked_import(environment, client)
    environment.rows(
        "UPDATE tasks SET state = 'running', lease = gen_random_uuid(), lease_until = now() - interval '1 s', "
        "attempts = :attempts WHERE id = :id",
        attempts=MAX_ATTEMPTS,
        id=task_id,
    )

    assert not environment.run()

    failed = client.get(f"/api/core/tasks/{task_id}").json()
    assert failed["state"] == "failed"
    assert "途中までの変更は保存されていません" in failed["error"]
    assert environment.rows("SELECT count(*) FROM fleet_terminals") == [(1,)]
    assert client.post(f"/api/core/tasks/{task_id}/resume").status_code == 200
    assert environment.run()
    assert environment.rows("SELECT count(*) FROM fleet_terminals") == [(1_500,)]


def test_an_import_cancelled_while_it_writes_leaves_nothing(environment: Environment) -> None:
    from sqlalchemy import text

    client = environment.person("alice", fleet="admin")
    task_id = start_blocked_import(environment, client)
    path = f"/api/core/tasks/{task_id}"
    with environment.process():
        with environment.session() as other:
            other.execute(text(LOCK_ROW))
            wait_for(lambda: is_waiting_for_the_lock(environment))
            cancelled = client.post(f"{path}/cancel").json()
            assert (cancelled["state"], cancelled["is_cancelling"]) == ("running", True)
        wait_for(lambda: client.get(path).json()["state"] == "cancelled")

    assert environment.rows("SELECT count(*) FROM fleet_terminals") == [(1,)]
    assert "途中までの変更は保存されていません" in client.get(path).json()["message"]
