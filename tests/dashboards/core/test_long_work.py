"""取り込み and 処理状況, in front of the real service: nothing is stored before the user confirms it, and the pages
report all that happens."""

from __future__ import annotations

import io
from typing import Any

import pytest
from fastapi.testclient import TestClient
from openpyxl import Workbook
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards import session
from dashboards.core.imports import ERRORS_PER_PAGE
from service.core.tasks.records import Task
from service.fleet.models import Customer
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import (
    Screen,
    assert_survives_outage,
    cells,
    click_row_action,
    keys,
    lists,
    press,
    rows,
    texts,
)

CUSTOMERS = "会社名,担当者,メール,電話番号,契約\nABC商事,青木 誠,aoki@abc.example,03-1234-5678,プレミアム\n"


def create_import(service_client: TestClient, name: str, content: bytes, **options: str) -> tuple[str, dict[str, Any]]:
    """The file's id, and the import that the user of the page creates from it."""
    headers = {"Authorization": f"Bearer {session.token()}", "X-Request-Id": "test"}
    params = {"name": name, "purpose": "fleet.import"}
    file = service_client.put("/api/core/files", params=params, content=content, headers=headers).json()
    body = {"kind": "fleet.customers", "file_id": file["id"], **options}
    return file["id"], service_client.post("/api/core/imports", json=body, headers=headers).json()


def start_import(service_client: TestClient, content: str) -> str:
    """Returns the import's id."""
    return str(create_import(service_client, "顧客.csv", content.encode())[1]["id"])


@pytest.fixture
def admin(screen: Screen) -> AppTest:
    return screen("alice", fleet="admin")


def test_the_first_step_says_what_a_file_needs_and_a_file_is_previewed_before_it_is_imported(
    admin: AppTest, service_client: TestClient, db: Session
) -> None:
    page = open_address(admin, "imports")
    assert not page.exception
    assert "必要な列: 会社名、担当者、連絡先メール、電話番号" in texts(page)
    page.radio(key="kind").set_value("fleet.terminals").run()
    assert "必要な列: シリアル番号、顧客企業、設置店舗名　:gray[:small[あれば使う列: 設置日、タグ]]" in texts(page)

    page = open_address(admin, "imports", id=start_import(service_client, CUSTOMERS))
    assert [(metric.label, metric.value) for metric in page.metric][:2] == [("新規", "1行"), ("更新", "0行")]
    assert rows(page)[0]["会社名"] == "ABC商事"
    assert db.scalar(select(func.count()).select_from(Customer)) == 0
    press(page, "core.imports.run")
    assert "顧客企業の取り込み" in texts(page)
    assert "1行を取り込みます。" in texts(page)
    assert "順番を待っています" in texts(page)
    assert db.scalars(select(Task.kind)).all() == ["core.import"]


def test_of_two_sheets_the_other_one_is_offered(admin: AppTest, service_client: TestClient) -> None:
    page = open_address(admin, "imports")
    book = Workbook()
    for name in ("表紙", "顧客"):
        sheet = book.create_sheet(name)
        for line in CUSTOMERS.splitlines():
            sheet.append(line.split(","))
    book.remove(book.worksheets[0])
    book.save(out := io.BytesIO())
    file, draft = create_import(service_client, "顧客.xlsx", out.getvalue(), sheet="顧客")

    page = open_address(admin, "imports", id=str(draft["id"]))
    assert f"core.imports.sheet.{draft['id']}" not in keys(page)
    page.session_state["core.imports.sheets"] = (file, draft["sheets"], draft["format"])
    page.run()
    selectbox = page.selectbox(key=f"core.imports.sheet.{draft['id']}")
    assert (selectbox.options, selectbox.value) == (["表紙", "顧客"], "顧客")


def test_rows_in_error_are_listed_nothing_can_be_imported_and_other_users_do_not_see_it(
    admin: AppTest, service_client: TestClient, screen: Screen
) -> None:
    draft = start_import(service_client, CUSTOMERS + "XYZ商店,,x,03,\n")
    page = open_address(admin, "imports", id=draft)
    assert "取り込めない行が1行あります" in texts(page)
    assert [(row["行"], row["項目"]) for row in rows(page)] == [(3, "担当者"), (3, "連絡先メール")]
    assert "core.imports.run" not in keys(page)

    page = open_address(screen("anna", fleet="admin"), "imports", id=draft)
    assert "見つかりません" in texts(page)
    press(page, "core.imports.again")
    assert "必要な列" in texts(page)


def test_errors_are_shown_fifty_at_a_time(admin: AppTest, service_client: TestClient) -> None:
    errors = [f"店{number},,a@b.example,03-1234-5678,\n" for number in range(ERRORS_PER_PAGE + 1)]
    page = open_address(
        admin, "imports", id=start_import(service_client, "".join([CUSTOMERS, *errors[:ERRORS_PER_PAGE]]))
    )
    assert "取り込めない行が50行あります" in texts(page)
    assert "core.imports.next" not in keys(page)

    page = open_address(admin, "imports", id=start_import(service_client, "".join([CUSTOMERS, *errors])))
    assert "1–50件目（全51件）" in texts(page)
    press(page, "core.imports.next")
    assert "51–51件目（全51件）" in texts(page)
    assert page.button(key="core.imports.next").disabled


def test_changed_columns_are_checked_before_anything_is_imported(
    admin: AppTest, service_client: TestClient, db: Session
) -> None:
    draft = start_import(service_client, CUSTOMERS)
    page = open_address(admin, "imports", id=draft)
    contact = page.selectbox(key=f"core.imports.column.{draft}.contact_person")
    contact.select(0)
    press(page, "core.imports.run")

    assert not db.scalars(select(Task)).all()
    assert "列の割り当てを変更しました。" in page.warning[0].value
    assert "core.imports.run" not in keys(page)

    page.selectbox(key=f"core.imports.column.{draft}.contact_person").select(1).run()
    assert not page.warning
    assert "core.imports.run" in keys(page)


def test_columns_are_chosen_by_hand_when_they_cannot_be_guessed(admin: AppTest, service_client: TestClient) -> None:
    draft = start_import(service_client, CUSTOMERS.replace("会社名", "なまえ"))
    page = open_address(admin, "imports", id=draft)
    assert not page.metric

    press(page, "core.imports.remap")
    assert "「会社名」の列を選んでください" in texts(page)
    page.selectbox(key=f"core.imports.column.{draft}.company_name").select(0)
    press(page, "core.imports.remap")

    assert [metric.value for metric in page.metric][:1] == ["1行"]


def export(service_client: TestClient) -> None:
    headers = {"Authorization": f"Bearer {session.token()}", "X-Request-Id": "test"}
    assert (
        service_client.post("/api/core/exports", json={"list": "fleet.terminals"}, headers=headers).status_code == 202
    )


def test_the_list_of_tasks_says_in_its_first_line_whether_anything_is_going_on(
    admin: AppTest, service_client: TestClient, db: Session, network: Network
) -> None:
    page = open_address(admin, "tasks")
    assert "実行中・待機中の処理はありません。" in texts(page)
    assert "まだ処理はありません" in texts(page)

    export(service_client)
    page.run()

    assert not page.exception
    assert "終わっていない処理が1件あります。" in texts(page)
    assert cells(page, "処理") == ["端末一覧の出力（Excel）"]

    db.execute(update(Task).values(state="failed", error="倉庫が閉まっています。"))
    db.commit()
    page.run()
    assert cells(page, "内容") == ["倉庫が閉まっています。"]

    # The cell truncates long text. The details show all of it, once, in addition to the card on the page.
    assert texts(page).count("倉庫が閉まっています。") == 1
    click_row_action(page, "core.tasks.list", "詳細")
    assert texts(page).count("倉庫が閉まっています。") == 2
    assert_survives_outage(page, network)


def test_an_administrator_sees_the_tasks_of_all_users(screen: Screen, service_client: TestClient) -> None:
    open_address(screen("olivia", fleet="operator"), "tasks")
    export(service_client)

    page = open_address(screen("alice", fleet="admin"), "tasks")
    assert not lists(page)
    page.button_group(key="whose").select("担当業務のすべての処理").run()

    assert cells(page, "始めた人") == ["olivia さん"]
