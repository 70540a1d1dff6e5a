"""Imports: what a file would do is shown first, then all of it is done or nothing; a second import of it changes
nothing."""

from __future__ import annotations

import csv
import io
from urllib.parse import quote

import pytest

from jobs import core as core_jobs
from service.core.imports import records
from service.core.imports.sheets import Sheet
from service.core.tasks.work import Work
from service.core.values import phones
from tests.imports import CUSTOMERS, TERMINALS, begin_import, customers, preview, run_import
from tests.workers import Environment, environment

__all__ = ["environment"]


def test_a_file_of_customers_is_previewed_run_and_reported(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = environment.sign_in("alice", fleet="admin")

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
    client = environment.sign_in("alice", fleet="admin")
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
    client = environment.sign_in("alice", fleet="admin")
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
    client = environment.sign_in("alice", fleet="admin")
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
        "5行目 シリアル番号: 半角の英数字で始まる、英数字・ハイフンで入力してください（例: TC200-000042）。",
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
    client = environment.sign_in("alice", fleet="admin")
    draft = begin_import(client, "会社名,担当者,メールアドレス,電話番号\n新宿商店,青木,a@shop.example,312345678\n")

    [row] = preview(client, draft)["rows"]
    assert row["errors"] == [f"2行目 電話番号: {phones.LOST_ZERO}"]


def test_a_row_that_is_twice_in_a_file_is_imported_once(environment: Environment) -> None:
    client = environment.sign_in("alice", fleet="admin")
    run_import(environment, client, CUSTOMERS)
    twice = TERMINALS + TERMINALS.split("\n")[1] + "\n"

    assert run_import(environment, client, twice, "fleet.terminals")["figures"] == {"新規": 3, "更新": 0, "変更なし": 1}
    assert run_import(environment, client, twice, "fleet.terminals")["figures"] == {"新規": 0, "更新": 0, "変更なし": 4}
    assert environment.rows("SELECT count(*) FROM fleet_terminals") == [(3,)]


def test_rows_in_error_are_downloaded_as_a_harmless_csv_file(environment: Environment) -> None:
    client = environment.sign_in("alice", fleet="admin")
    draft = begin_import(client, '会社名,担当者,メールアドレス,電話番号\n=1+1,"a\n=2",x,03\n', name="顧客.csv")

    answer = client.get(f"/api/core/imports/{draft['id']}/errors.csv")

    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert answer.content.endswith(b"\r\n")
    assert answer.headers["content-length"] == str(len(answer.content))
    assert quote("顧客_エラー.csv") in answer.headers["content-disposition"]
    [_, row] = csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    assert row[2:] == ["'=1+1", "a\n=2", "x", '="03"']


def test_no_transaction_is_idle_while_a_file_is_read(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Storage may be slow, and a workbook takes seconds; no database connection may be blocked by that."""
    client = environment.sign_in("alice", fleet="admin")
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


def test_a_user_without_the_permission_and_a_colleague_get_nothing(environment: Environment) -> None:
    client = environment.sign_in("alice", fleet="admin")
    draft = begin_import(client, CUSTOMERS)
    operator, colleague = environment.sign_in("olivia", fleet="operator"), environment.sign_in("anna", fleet="admin")

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
    client = environment.sign_in("alice", fleet="admin")
    old, new = begin_import(client, CUSTOMERS), begin_import(client, CUSTOMERS)
    environment.rows("UPDATE imports SET created_at = app_now() - interval '8 days' WHERE id = :id", id=old["id"])

    core_jobs.sweep()

    assert client.get(f"/api/core/imports/{old['id']}").status_code == 404
    assert client.get(f"/api/core/imports/{new['id']}").status_code == 200
