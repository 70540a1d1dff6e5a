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
from tests.dashboards.conftest import opened_at
from tests.dashboards.pages import Screen, press, rows, said, texts

LAPTOP = "OSAKA_Laptop_ThinkPad-X1-Carbon_AAA1_001"


@pytest.fixture
def filled(db: Session) -> Session:
    """On the shelf in Osaka, told of twice; lent from there."""
    staff = people.actor(db, "carol", loaners="staff")
    laptop = stock.device(db, staff, "AAA1")
    stock.form(db, staff, laptop, 3, STORED)
    stock.form(db, staff, laptop, 3 - 1 / 1440, STORED)
    desktop = stock.device(db, staff, "BBB2", model="OptiPlex-7090")
    stock.form(db, staff, desktop, 2, LENT)
    db.commit()
    return db


def scan(page: AppTest, code: str) -> None:
    page.text_input(key="loaners.count.code").set_value(code).run()


def begun(db: Session, page: AppTest) -> str:
    press(page, "loaners.stocktakes.start")
    page.selectbox(key="loaners.stocktakes.new.site_id.0").set_value(stock.site(db, "osaka").id)
    press(page, "loaners.stocktakes.new.submit")
    return str(db.scalars(select(Stocktake.id)).one())


def may_be_ended(page: AppTest) -> bool:
    return any(one.key == "loaners.count.close" for one in page.button)


def test_a_count_is_begun_scanned_and_ended(filled: Session, screen: Screen) -> None:
    page = opened_at(screen("anna", loaners="auditor"), "stocktakes")
    assert "実施中の棚卸はありません。" in texts(page)
    stocktake = begun(filled, page)
    page = opened_at(page, "stocktakes", stocktake=stocktake)
    assert "**大阪**で、まだ確認していない機器が**1台**あります。" in texts(page)
    assert may_be_ended(page)  # At once, not only when the page has refreshed itself.

    scan(page, f"https://genba.example/d/{LAPTOP}")
    assert f"**{LAPTOP}**（ThinkPad-X1-Carbon） を確認しました。" in said(page.success)
    scan(page, LAPTOP)
    assert "は確認済みです。" in said(page.success)
    scan(page, "OSAKA_Desktop_OptiPlex-7090_BBB2_001")
    assert "登録上は「大阪」の「1.貸出中」です。" in said(page.error)
    scan(page, "ZZZ")
    assert "**ZZZ** は登録されていない番号です。" in said(page.error)
    assert [row["結果"] for row in rows(page)] == [["対象外の機器"], ["確認済み"], ["未登録の番号"]]
    assert "の対象1台をすべて確認しました。" in texts(page)

    press(page, "loaners.count.close")
    press(page, f"loaners.count.close.{stocktake}.confirm")
    filled.expire_all()
    assert filled.scalars(select(Stocktake.closed_by)).one() == "anna さん"
    assert not may_be_ended(page)
    assert not page.exception


def test_a_wrong_scan_is_taken_back_from_its_row(filled: Session, screen: Screen) -> None:
    page = opened_at(screen("anna", loaners="auditor"), "stocktakes")
    stocktake = begun(filled, page)
    page = opened_at(page, "stocktakes", stocktake=stocktake)
    scan(page, "ZZZ")
    [row] = [one for one in page.session_state["live.loaners.count.rows"].data["items"] if one["result"] == "unknown"]

    page.session_state["loaners.count.rows.clicked"] = ("詳細", row)
    page.run()
    press(page, f"loaners.count.back.{row['id']}")
    press(page, f"loaners.count.back.{row['id']}.confirm")

    assert [one["結果"] for one in rows(page)] == [["未確認"]]
    assert not page.exception


def test_a_repeated_event_is_taken_out_with_one_click(filled: Session, screen: Screen) -> None:
    page = opened_at(screen("anna", loaners="admin"), "loaners-upkeep")

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
    told = {"findings": {}, "different": find_mismatches(filled), "storage": storage(filled)}
    filled.add(UpkeepRun(job=Job.CHECKS, report=told))
    filled.commit()
    page = opened_at(screen("anna", loaners="admin"), "loaners-upkeep")
    assert LAPTOP in said(page.error)
    assert "「履歴から作り直す」を押すと" in said(page.error)
    assert "ご連絡ください" not in said(page.error)

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
