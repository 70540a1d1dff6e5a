"""端末一覧: the table of terminals with its conditions, in front of the real service."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards.ui import exports, tables
from service.core.exports import answers
from service.core.tasks.records import Task
from service.fleet.models import Customer, Terminal
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.fleet.scene import fill_morning
from tests.dashboards.pages import (
    Screen,
    cells,
    click_row_action,
    fill,
    html,
    keys,
    lists,
    press,
    texts,
    titles,
    toasts,
)


def serials(page: AppTest) -> list[str]:
    return cells(page, "シリアル番号") if lists(page) else []


@pytest.fixture
def terminals(db: Session, screen: Screen) -> AppTest:
    fill_morning(db)
    return open_address(screen("olivia", fleet="operator"), "terminals")


def test_the_first_line_says_how_many_there_are_and_who_needs_help(terminals: AppTest, network: Network) -> None:
    assert titles(terminals) == ["端末一覧"]
    assert "登録されている端末は5台です。対応が必要な端末は、オフライン 2台、エラー 1台です。" in texts(terminals)
    assert serials(terminals)[:3] == ["TC200-000001", "TC200-000005", "TC200-000002"]
    assert not terminals.exception
    assert sorted(network.calls) == [
        "GET /api/auth/me",
        "GET /api/fleet/customers/choices",
        "GET /api/fleet/summary",
        "GET /api/fleet/terminals",
        "GET /api/fleet/terminals/choices",
        "GET /api/me/counts",  # for the numbers in the menu
        "GET /api/me/preferences",
    ]

    click_row_action(terminals, "fleet.all_terminals", "詳細", 2)
    assert [warning.value for warning in terminals.warning] == ["カードリーダー応答なし"]
    assert "2026/11/21（土）9:48" in texts(terminals)
    row = terminals.session_state["live.fleet.all_terminals"].data["items"][2]
    assert f'href="/terminal?id={row["id"]}"' in html(terminals)


def test_conditions_and_order_are_the_services_and_apply_to_the_export(terminals: AppTest) -> None:
    terminals.selectbox(key="sort").select("-last_heartbeat_at").run()
    assert serials(terminals)[-2:] == ["TC200-000001", "TC200-000005"]
    terminals.selectbox(key="status").select("offline")
    terminals.selectbox(key="sort").select("-serial_number").run()
    assert serials(terminals) == ["TC200-000005", "TC200-000001"]
    assert "該当 **2台**" in texts(terminals)
    assert "条件に合う2台を、画面の並び順で出力します。" in texts(terminals)
    csv, excel = [link.value for link in terminals.html if "で出力" in link.value]
    assert 'href="/download/api/fleet/terminals.csv?status=offline&amp;sort=-serial_number"' in csv
    assert 'href="/download/api/fleet/terminals.xlsx?status=offline&amp;sort=-serial_number"' in excel

    terminals.text_input(key="q").input("難波").run()
    assert serials(terminals) == ["TC200-000005"]


def test_terminals_are_filtered_by_tag_version_store_and_archive(db: Session, screen: Screen) -> None:
    fill_morning(db)
    first = db.scalars(select(Terminal).where(Terminal.serial_number == "TC200-000001")).one()
    first.tags = ["重点"]
    last = db.scalars(select(Terminal).where(Terminal.serial_number == "TC200-000005")).one()
    last.archived_at = first.created_at
    db.commit()
    page = open_address(screen("olivia", fleet="operator"), "terminals")
    assert "TC200-000005" not in serials(page)

    page.selectbox(key="tag").select("重点").run()
    assert serials(page) == ["TC200-000001"]
    page.button(key="clear").click().run()
    page.text_input(key="store").input("渋谷店").run()
    assert serials(page) == ["TC200-000003"]
    page.button(key="clear").click().run()
    page.selectbox(key="archived").select("true").run()
    assert serials(page) == ["TC200-000005"]


def test_an_administrator_registers_terminals_and_tags_all_that_the_conditions_find(
    db: Session, screen: Screen, terminals: AppTest
) -> None:
    assert "terminals.new" not in keys(terminals)  # An operator does not.
    page = open_address(screen("anna", fleet="admin"), "terminals")
    press(page, "terminals.new")
    abc = db.scalars(select(Customer).where(Customer.company_name == "ABC商事")).one()
    fill(page, "terminal.new", serial_number="TC200-000777", customer_id=abc.id, store_name="上野店 レジ1番")
    press(page, "terminal.new.submit")
    assert toasts(page) == ["端末 TC200-000777 を登録しました。"]
    assert "TC200-000777" in serials(page)

    page.text_input(key="q").input("新宿").run()
    press(page, "terminals.retag.open")
    assert "いまの条件に合う**1台**すべて" in texts(page)
    fill(page, "terminals.retag", add=["重点"])
    press(page, "terminals.retag.submit")
    db.expire_all()
    tagged = db.scalars(select(Terminal).where(Terminal.tags.contains(["重点"]))).all()
    assert [terminal.serial_number for terminal in tagged] == ["TC200-000001"]


def test_a_customers_terminals_are_found_by_its_name_in_the_address_and_listed_in_pages(
    db: Session, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_morning(db)
    conditions = {"customer_id": "ABC商事", "sort": "シリアル番号の逆順"}
    monkeypatch.setitem(tables.table.__kwdefaults__ or {}, "rows", 2)
    page = open_address(screen("olivia", fleet="operator"), "terminals", **conditions)
    assert serials(page) == ["TC200-000004", "TC200-000003"]

    press(page, "fleet.all_terminals.next")
    assert serials(page) == ["TC200-000001"]
    assert "2 / 2ページ" in texts(page)


def test_a_list_too_long_for_excel_at_once_is_written_by_a_task(
    terminals: AppTest, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MOST_EXCEL_ROWS", 1)
    terminals.selectbox(key="status").select("offline").run()
    assert not [link for link in terminals.html if "Excelで出力" in link.value]

    press(terminals, "fleet.all_terminals.export.excel")

    assert "端末一覧の出力（Excel）" in texts(terminals)
    assert "順番を待っています。" in texts(terminals)
    [task] = db.scalars(select(Task))
    assert task.params == {"list": "fleet.terminals", "format": "xlsx", "filters": {"status": "offline"}}


def test_a_task_that_was_not_started_says_why_and_after_a_lost_answer_there_is_one_task(
    terminals: AppTest, db: Session, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And there is another task for a press after the answer was seen."""
    monkeypatch.setattr(exports, "MOST_EXCEL_ROWS", 1)
    terminals.run()
    tasks = select(func.count()).select_from(Task)
    network.cut()
    press(terminals, "fleet.all_terminals.export.excel")
    assert any("保存はされていません" in error.value for error in terminals.error)

    network.lose_answers()
    press(terminals, "fleet.all_terminals.export.excel")
    network.restore()
    assert db.scalar(tasks) == 1
    assert any("二重には保存されません" in error.value for error in terminals.error)
    press(terminals, "fleet.all_terminals.export.excel")
    assert db.scalar(tasks) == 1
    assert "順番を待っています。" in texts(terminals)
    press(terminals, "fleet.all_terminals.export.excel")
    assert db.scalar(tasks) == 2


def test_both_sides_know_the_same_limit() -> None:
    assert exports.MOST_EXCEL_ROWS == answers.MAX_EXCEL_ROWS


def test_while_the_service_is_away_the_list_stays(terminals: AppTest, network: Network) -> None:
    network.cut()

    terminals.run()

    assert len(serials(terminals)) == 5
    assert terminals.warning[0].value.startswith("最新の状態を取得できません。")
    terminals.session_state["live.away"] = (0.0, None)
    terminals.text_input(key="q").input("難波").run()
    assert serials(terminals) == []
    assert any("接続できません" in error.value for error in terminals.error)


def test_without_terminals_the_page_says_what_to_do_first(db: Session, screen: Screen) -> None:
    page = open_address(screen("olivia", fleet="operator"), "terminals")

    assert "**まだ端末が登録されていません**" in texts(page)
