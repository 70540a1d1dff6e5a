"""棚卸, 点検 and the editor of data types."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.loaners.history.models import Mark
from service.loaners.history.queries import find_mismatches
from service.loaners.stocktakes.models import Stocktake
from service.loaners.upkeep.models import UpkeepRun
from service.loaners.upkeep.queries import storage
from service.loaners.upkeep.rules import Job
from service.loaners.views.models import View
from tests import people
from tests.api.loaners import stock
from tests.api.loaners.stock import LENT, STORED
from tests.dashboards.conftest import open_address
from tests.dashboards.pages import Screen, press, rows, text_of, texts

LAPTOP = "OSAKA_Laptop_ThinkPad-X1-Carbon_AAA1_001"


@pytest.fixture
def filled(db: Session) -> Session:
    """A laptop on the shelf in Osaka, with a duplicate event; a desktop that is lent from there."""
    staff = people.create_actor(db, "carol", loaners="staff")
    laptop = stock.add_device(db, staff, "AAA1")
    stock.add_form(db, staff, laptop, 3, STORED)
    stock.add_form(db, staff, laptop, 3 - 1 / 1440, STORED)
    desktop = stock.add_device(db, staff, "BBB2", model="OptiPlex-7090")
    stock.add_form(db, staff, desktop, 2, LENT)
    db.commit()
    return db


def scan(page: AppTest, code: str) -> None:
    page.text_input(key="loaners.count.code").set_value(code).run()


def start_stocktake(db: Session, page: AppTest) -> str:
    press(page, "loaners.stocktakes.start")
    page.selectbox(key="loaners.stocktakes.new.site_id.0").set_value(stock.get_site(db, "osaka").id)
    press(page, "loaners.stocktakes.new.submit")
    return str(db.scalars(select(Stocktake.id)).one())


def can_be_closed(page: AppTest) -> bool:
    return any(button.key == "loaners.count.close" for button in page.button)


def test_a_stocktake_is_started_scanned_and_closed(filled: Session, screen: Screen) -> None:
    page = open_address(screen("anna", loaners="auditor"), "stocktakes")
    assert "実施中の棚卸はありません。" in texts(page)
    stocktake = start_stocktake(filled, page)
    page = open_address(page, "stocktakes", stocktake=stocktake)
    assert "**大阪**で、まだ確認していない機器が**1台**あります。" in texts(page)
    assert can_be_closed(page)  # At once, not only after the next refresh of the page.

    scan(page, f"https://genba.example/d/{LAPTOP}")
    assert f"**{LAPTOP}**（ThinkPad-X1-Carbon） を確認しました。" in text_of(page.success)
    scan(page, LAPTOP)
    assert "は確認済みです。" in text_of(page.success)
    scan(page, "OSAKA_Desktop_OptiPlex-7090_BBB2_001")
    assert "登録上は「大阪」の「1.貸出中」です。" in text_of(page.error)
    scan(page, "ZZZ")
    assert "**ZZZ** は登録されていない番号です。" in text_of(page.error)
    assert [row["結果"] for row in rows(page)] == [["対象外の機器"], ["確認済み"], ["未登録の番号"]]
    assert "の対象1台をすべて確認しました。" in texts(page)

    press(page, "loaners.count.close")
    press(page, f"loaners.count.close.{stocktake}.confirm")
    filled.expire_all()
    assert filled.scalars(select(Stocktake.closed_by)).one() == "anna さん"
    assert not can_be_closed(page)
    assert not page.exception


def test_a_wrong_scan_is_undone_from_its_row(filled: Session, screen: Screen) -> None:
    page = open_address(screen("anna", loaners="auditor"), "stocktakes")
    stocktake = start_stocktake(filled, page)
    page = open_address(page, "stocktakes", stocktake=stocktake)
    scan(page, "ZZZ")
    [row] = [
        item for item in page.session_state["live.loaners.count.rows"].data["items"] if item["result"] == "unknown"
    ]

    page.session_state["loaners.count.rows.clicked"] = ("詳細", row)
    page.run()
    press(page, f"loaners.count.back.{row['id']}")
    press(page, f"loaners.count.back.{row['id']}.confirm")

    assert [item["結果"] for item in rows(page)] == [["未確認"]]
    assert not page.exception


def test_a_duplicate_event_is_removed_with_one_click(filled: Session, screen: Screen) -> None:
    page = open_address(screen("anna", loaners="admin"), "loaners-upkeep")

    assert "重複や矛盾の可能性がある記録が**1件**あります。" in texts(page)
    assert "同じ内容のステータス登録が続けて送信されています" in texts(page)
    [finding] = page.session_state["live.loaners.upkeep"].data["items"]
    press(page, f"loaners.upkeep.remove.{finding['finding']}")
    press(page, f"loaners.upkeep.remove.{finding['finding']}.confirm")

    assert "重複や矛盾のある記録はありません。" in texts(page)
    assert filled.scalars(select(Mark.reason)).all() == ["重複した登録"]
    assert "アーカイブへ移す履歴はありません。" in texts(page)
    assert not page.exception


def test_tables_that_differ_are_made_of_the_history_again(filled: Session, screen: Screen) -> None:
    filled.execute(text("UPDATE loaners_states SET is_archived = true"))
    report = {"findings": {}, "different": find_mismatches(filled), "storage": storage(filled)}
    filled.add(UpkeepRun(job=Job.CHECKS, report=report))
    filled.commit()
    page = open_address(screen("anna", loaners="admin"), "loaners-upkeep")
    assert LAPTOP in text_of(page.error)
    assert "「履歴から作り直す」を押すと" in text_of(page.error)
    assert "ご連絡ください" not in text_of(page.error)

    press(page, "loaners.upkeep.rebuild")
    press(page, "loaners.upkeep.rebuild.confirm")

    assert not page.error
    assert find_mismatches(filled) == []
    assert not page.exception


def test_a_data_type_is_edited_as_the_document_writes_it(filled: Session, screen: Screen) -> None:
    def editor() -> None:
        from dashboards.loaners import view_editor
        from dashboards.ui import dialogs

        with dialogs.draw_after("masters"):
            view_editor.section()

    screen("anna", loaners="admin")
    page = AppTest.from_function(editor, default_timeout=30).run()
    assert [row["データタイプID"] for row in rows(page)] == ["NORMAL", "AUDIT", "SUMMARY"]
    audit = page.session_state["live.loaners.views"].data["items"][1]
    page.session_state["loaners.views.clicked"] = ("編集", audit)
    page.run()
    form = f"loaners.view.edit.{audit['id']}.{audit['version']}.False"

    page.text_area(key=f"{form}.columns.0").set_value('{"columns": ["色"]}')
    press(page, f"{form}.submit")
    assert "列「色」はどのシートにもありません。" in texts(page)
    page.text_area(key=f"{form}.columns.0").set_value('{"columns": ["拠点管理番号"]}')
    press(page, f"{form}.submit")

    filled.expire_all()
    stored = filled.scalars(select(View.columns).where(View.key == "AUDIT")).one()
    assert json.loads(stored) == {"columns": ["拠点管理番号"]}
    assert not page.exception
