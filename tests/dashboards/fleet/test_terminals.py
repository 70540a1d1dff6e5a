"""端末一覧: the table of terminals with its conditions, in front of the real service."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards.ui import exports
from service.core.exports import answers
from service.core.tasks.records import Task
from service.fleet.models import Customer, Terminal
from tests import factories
from tests.dashboards.conftest import Line, opened_at
from tests.dashboards.fleet.scene import a_morning, heard, set_clock

Screen = Callable[..., AppTest]


def serials(page: AppTest) -> list[str]:
    return list(page.dataframe[0].value["シリアル番号"]) if page.dataframe else []


def texts(page: AppTest) -> str:
    return "\n".join(element.value for element in page.markdown).replace("\\", "")


@pytest.fixture
def terminals(db: Session, screen: Screen) -> AppTest:
    a_morning(db)
    return opened_at(screen("olivia", fleet="operator"), "terminals")


def test_the_first_line_says_how_many_there_are_and_who_needs_help(terminals: AppTest, line: Line) -> None:
    assert [title.value for title in terminals.title] == ["端末一覧"]
    assert "登録されている端末は5台です。対応が必要な端末は、オフライン 2台、エラー 1台です。" in texts(terminals)
    assert serials(terminals)[:3] == ["TC200-000001", "TC200-000005", "TC200-000002"]
    assert not terminals.exception
    assert sorted(line.calls) == [
        "GET /api/auth/me",
        "GET /api/fleet/customers/choices",
        "GET /api/fleet/incidents/counts",  # for the number in the menu
        "GET /api/fleet/summary",
        "GET /api/fleet/terminals",
        "GET /api/fleet/terminals/choices",
    ]


def test_conditions_are_those_of_the_service(terminals: AppTest) -> None:
    terminals.selectbox(key="status").select("offline").run()
    assert serials(terminals) == ["TC200-000001", "TC200-000005"]
    assert "該当 **2台**" in texts(terminals)

    terminals.text_input(key="q").input("難波").run()
    assert serials(terminals) == ["TC200-000005"]


def test_details_cut_by_tag_version_store_and_archive(db: Session, screen: Screen) -> None:
    a_morning(db)
    first = db.scalars(select(Terminal).where(Terminal.serial_number == "TC200-000001")).one()
    first.tags = ["重点"]
    last = db.scalars(select(Terminal).where(Terminal.serial_number == "TC200-000005")).one()
    last.archived_at = first.created_at
    db.commit()
    page = opened_at(screen("olivia", fleet="operator"), "terminals")
    assert "TC200-000005" not in serials(page)

    page.selectbox(key="tag").select("重点").run()
    assert serials(page) == ["TC200-000001"]
    page.button(key="clear").click().run()
    page.text_input(key="store").input("渋谷店").run()
    assert serials(page) == ["TC200-000003"]
    page.button(key="clear").click().run()
    page.selectbox(key="archived").select("true").run()
    assert serials(page) == ["TC200-000005"]


def test_an_administrator_registers_a_terminal_and_an_operator_does_not(db: Session, screen: Screen) -> None:
    a_morning(db)
    page = opened_at(screen("anna", fleet="admin"), "terminals")
    page.button(key="terminals.new").click().run()
    abc = db.scalars(select(Customer).where(Customer.company_name == "ABC商事")).one()
    page.text_input(key="terminal.new.serial_number.0").input("TC200-000777")
    page.selectbox(key="terminal.new.customer_id.0").set_value(abc.id)
    page.text_input(key="terminal.new.store_name.0").input("上野店 レジ1番")
    page.button(key="terminal.new.submit").click().run()
    assert [toast.value for toast in page.toast] == ["端末 TC200-000777 を登録しました。"]
    assert "TC200-000777" in serials(page)

    page = opened_at(screen("olivia", fleet="operator"), "terminals")
    assert "terminals.new" not in {button.key for button in page.button}


def test_tags_are_changed_for_all_that_the_conditions_find(db: Session, screen: Screen) -> None:
    a_morning(db)
    page = opened_at(screen("anna", fleet="admin"), "terminals")
    page.text_input(key="q").input("新宿").run()
    page.button(key="terminals.retag.open").click().run()
    assert "いまの条件に合う**1台**すべて" in texts(page)
    page.multiselect(key="terminals.retag.add.0").set_value(["重点"])
    page.button(key="terminals.retag.submit").click().run()
    db.expire_all()
    tagged = db.scalars(select(Terminal).where(Terminal.tags.contains(["重点"]))).all()
    assert [terminal.serial_number for terminal in tagged] == ["TC200-000001"]


def test_one_customers_terminals_are_found_by_her_name_in_the_address(db: Session, screen: Screen) -> None:
    a_morning(db)

    page = opened_at(
        screen("olivia", fleet="operator"), "terminals", customer_id="XYZストア", sort="シリアル番号の逆順"
    )

    assert serials(page) == ["TC200-000005", "TC200-000002"]


def test_what_is_listed_is_taken_along_in_its_order(terminals: AppTest) -> None:
    terminals.selectbox(key="status").select("offline").run()
    terminals.selectbox(key="sort").select("-serial_number").run()

    assert "条件に合う2台を、画面の並び順で出力します。" in texts(terminals)
    csv, excel = [link.value for link in terminals.html if "で出力" in link.value]
    assert 'href="/download/api/fleet/terminals.csv?status=offline&amp;sort=-serial_number"' in csv
    assert 'href="/download/api/fleet/terminals.xlsx?status=offline&amp;sort=-serial_number"' in excel


def test_a_list_too_long_for_excel_at_once_is_written_by_a_task(
    terminals: AppTest, db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MOST_EXCEL_ROWS", 1)
    terminals.selectbox(key="status").select("offline").run()
    assert not [link for link in terminals.html if "Excelで出力" in link.value]

    terminals.button(key="fleet.all_terminals.export.excel").click().run()

    assert not terminals.exception
    assert "端末一覧の出力（Excel）" in texts(terminals)
    assert "順番を待っています。" in texts(terminals)
    [task] = db.scalars(select(Task))
    assert task.params == {
        "list": "fleet.terminals",
        "format": "xlsx",
        "filters": {"status": "offline"},
    }


def test_why_a_task_was_not_begun_is_said(terminals: AppTest, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MOST_EXCEL_ROWS", 1)
    terminals.run()
    line.cut()

    terminals.button(key="fleet.all_terminals.export.excel").click().run()

    assert any("保存はされていません" in error.value for error in terminals.error)


def test_who_presses_again_after_a_lost_answer_has_one_task(
    terminals: AppTest, db: Session, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And another one for what is pressed anew once the answer was seen."""
    monkeypatch.setattr(exports, "MOST_EXCEL_ROWS", 1)
    terminals.run()
    tasks = select(func.count()).select_from(Task)

    line.lose_answers()
    terminals.button(key="fleet.all_terminals.export.excel").click().run()
    line.mend()
    assert db.scalar(tasks) == 1
    assert any("二重には保存されません" in error.value for error in terminals.error)

    terminals.button(key="fleet.all_terminals.export.excel").click().run()
    assert db.scalar(tasks) == 1
    assert "順番を待っています。" in texts(terminals)

    terminals.button(key="fleet.all_terminals.export.excel").click().run()
    assert db.scalar(tasks) == 2


def test_both_sides_know_the_same_limit() -> None:
    assert exports.MOST_EXCEL_ROWS == answers.MOST_EXCEL_ROWS


def test_an_order_is_the_services(terminals: AppTest) -> None:
    terminals.selectbox(key="sort").select("-last_heartbeat_at").run()

    assert serials(terminals)[-2:] == ["TC200-000001", "TC200-000005"]


def test_pages_follow_one_another(db: Session, screen: Screen) -> None:
    customer = factories.customer(db, "ABC商事")
    for number in range(53):
        heard(db, factories.terminal(db, customer, f"PAGE-{number:02}"), "9:59")
    set_clock(db, "10:00")
    page = opened_at(screen("olivia", fleet="operator"), "terminals", sort="シリアル番号順")

    page.button(key="fleet.all_terminals.next").click().run()

    assert serials(page) == ["PAGE-50", "PAGE-51", "PAGE-52"]
    assert "2 / 2ページ" in texts(page)


def test_a_terminal_is_shown_in_full_beside_the_list(terminals: AppTest, line: Line) -> None:
    rows = terminals.session_state["live.fleet.all_terminals"].data["items"]
    terminals.session_state["fleet.all_terminals.clicked"] = ("詳細", rows[2])

    terminals.run()

    assert [warning.value for warning in terminals.warning] == ["カードリーダー応答なし"]
    assert "2026/11/21（土）9:48" in texts(terminals)
    assert any(f'href="/terminal?id={rows[2]["id"]}"' in one.value for one in terminals.html)


def test_while_the_service_is_away_the_list_stays(terminals: AppTest, line: Line) -> None:
    line.cut()

    terminals.run()

    assert len(serials(terminals)) == 5
    assert terminals.warning[0].value.startswith("最新の状態を取得できません。")
    terminals.session_state["live.away"] = (0.0, None)
    terminals.text_input(key="q").input("難波").run()
    assert serials(terminals) == []
    assert any("接続できません" in error.value for error in terminals.error)


def test_without_terminals_it_says_what_to_do_first(db: Session, screen: Screen) -> None:
    page = opened_at(screen("olivia", fleet="operator"), "terminals")

    assert "**まだ端末が登録されていません**" in texts(page)


def test_a_viewer_is_refused(screen: Screen) -> None:
    page = opened_at(screen("vera", fleet="viewer"), "terminals")

    assert [title.value for title in page.title] == ["この画面を表示する権限がありません"]
