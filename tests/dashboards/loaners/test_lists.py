"""機器一覧, 監査, サマリー and 貸出状況 as users see them."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import unquote_plus

import pytest
from sqlalchemy.orm import Session

from service.core.values.times import local_date
from tests import people
from tests.api.loaners import stock
from tests.api.loaners.stock import LENT, STORED
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.pages import Screen, html, rows, text_of, texts


@pytest.fixture
def filled(db: Session) -> Session:
    """Lent and overdue with a deposit, lent with none and moved, on the shelf."""
    staff = people.create_actor(db, "carol", loaners="staff")
    today = local_date(stock.time_ago(db, 0))
    laptop = stock.add_device(db, staff, "AAA1")
    stock.add_form(db, staff, laptop, 40, LENT | {"1-8": (today - timedelta(days=5)).isoformat()})
    stock.add_deposit(db, staff, laptop, 30, 1)
    tablet = stock.add_device(db, staff, "BBB2", model="iPad-Pro-12.9")
    stock.add_form(db, staff, tablet, 5, LENT | {"1-8": (today + timedelta(days=30)).isoformat()})
    stock.add_transfer(db, staff, tablet, 3, "kobe")
    router = stock.add_device(db, staff, "CCC3", at="himeji", model="WXR-6000AX12S")
    stock.add_form(db, staff, router, 10, STORED)
    db.commit()
    return db


def test_the_integrated_list_marks_the_devices_that_were_moved(
    filled: Session, screen: Screen, network: Network
) -> None:
    page = open_address(screen("anna", loaners="staff"), "loaners")

    assert [title.value for title in page.title] == ["機器一覧"]
    assert "現在、貸出中の機器は2台です。返却予定日を過ぎたものが**1台**あり、最も長いものは5日過ぎています。" in texts(
        page
    )
    shown = rows(page)
    assert list(shown[0]) == [
        "拠点管理番号",
        "機器種別",
        "機種名",
        "製造番号",
        "利用状況",
        "更新日時",
        "現在の拠点",
    ]
    assert [(row["製造番号"], row["現在の拠点"]) for row in shown] == [
        ("CCC3", "姫路"),
        ("AAA1", "大阪"),
        ("BBB2", "神戸（移管）"),
    ]
    assert network.calls.count("GET /api/loaners/lists/INTEGRATED") == 1
    assert not page.exception


def test_a_status_brings_its_columns(filled: Session, screen: Screen) -> None:
    page = open_address(screen("anna", loaners="staff"), "loaners", view="通常データ", status="1.貸出中")

    assert {"1-6.貸出先", "1-8.返却予定日", "預り機のステータス"} <= set(rows(page)[0])
    assert [row["製造番号"] for row in rows(page)] == ["AAA1", "BBB2"]
    assert not page.exception


def test_a_row_opens_with_all_that_its_list_shows(filled: Session, screen: Screen) -> None:
    page = open_address(screen("anna", loaners="staff"), "loaners")
    items = page.session_state["live.loaners.list"].data["items"]

    page.session_state["loaners.list.clicked"] = ("詳細", items[1])
    page.run()

    assert "/loaners-device?number=OSAKA_Laptop" in html(page)
    assert ":green-badge[:material/check_circle: 1.返却可能]" in texts(page)
    assert not page.exception


def test_another_day_is_named_above_its_list(filled: Session, screen: Screen) -> None:
    day = local_date(stock.time_ago(filled, 20))

    page = open_address(screen("anna", loaners="staff"), "loaners", as_of=day.isoformat())

    assert f"{day:%Y/%m/%d} の終わりの状態を表示しています。" in text_of(page.info)
    assert {row["製造番号"]: row["利用状況"][0] for row in rows(page)} == {
        "AAA1": "1.貸出中",
        "BBB2": "未登録",
        "CCC3": "未登録",
    }


def test_two_days_are_compared(filled: Session, screen: Screen) -> None:
    page = open_address(screen("anna", loaners="staff"), "loaners", shown="2つの日の差分")

    assert not page.exception
    changes = {row["拠点管理番号"].split("_")[3]: row["変わったこと"] for row in rows(page)}
    assert changes["BBB2"] == "大阪 → 神戸、未登録 → 1.貸出中、預り機: なし → 未設定"
    assert changes["CCC3"] == "未登録 → 3.社内にて保管中"


def test_the_summary_leads_to_the_rows_behind_each_number(filled: Session, screen: Screen) -> None:
    page = open_address(screen("anna", loaners="auditor"), "loaners-summary")

    assert not page.exception
    assert "現在、全管轄でユーザー機を預かっている貸出は2台です。うち**1台**は、返却可能です。**1台**は、" in texts(
        page
    )
    assert [(metric.label, metric.value) for metric in page.metric] == [
        ("返却可能", "1台"),
        ("商談や金額の問題で返却不可", "0台"),
        ("お客様による返却拒否", "0台"),
        ("HW延長保守中", "0台"),
        ("未設定", "1台"),
    ]
    link = next(part for part in html(page).split('"') if part.startswith("/loaners?") and "group=CL" in part)
    query = dict(part.split("=") for part in link.replace("&amp;", "&").partition("?")[2].split("&"))
    target = open_address(
        screen("bob", loaners="staff"), "loaners", **{name: unquote_plus(value) for name, value in query.items()}
    )
    assert [row["拠点管理番号"].split("_")[3] for row in rows(target)] == ["AAA1"]
    assert set(rows(target)[0]) >= {"拠点管理番号", "機器種別", "機種名", "利用状況"}


def test_the_audit_has_the_documents_columns(filled: Session, screen: Screen) -> None:
    page = open_address(screen("anna", loaners="auditor"), "loaners-audit")

    assert "監査の対象は、端末とプリンタをあわせて**2台**です。" in texts(page)
    assert list(rows(page)[0])[:13] == [
        "担当者",
        "資産管理番号",
        "拠点管理番号",
        "機種名",
        "製造番号",
        "ソフトウェア",
        "OS",
        "ステータス",
        "貸出先",
        "貸出日",
        "ユーザー預り機有",
        "お預かり証No.",
        "備考",
    ]
    assert not page.exception


def test_loans_begin_with_what_is_overdue(filled: Session, screen: Screen) -> None:
    page = open_address(screen("anna", loaners="staff"), "lending")

    assert "貸出中の2台のうち、**1台**が返却予定日を過ぎています。最も長いものは5日です。" in texts(page)
    shown = rows(page)
    assert "（5日超過）" in shown[0]["返却予定日"]
    assert shown[0]["注意"] == ["返却可能のまま"]
    assert "（あと30日）" in shown[1]["返却予定日"]
    assert not page.exception
    items = page.session_state["live.loaners.loans"].data["items"]
    page.session_state["loaners.loans.clicked"] = ("詳細", items[0])
    page.run()
    assert "まだ送っていません" in texts(page)
    assert not page.exception


def test_nothing_is_lent_and_nothing_is_there(db: Session, screen: Screen) -> None:
    devices = open_address(screen("anna", loaners="staff"), "loaners")
    assert "現在、貸出中の機器はありません。" in texts(devices)
    assert "まだ機器が登録されていません" in texts(devices)
    for path in ("lending", "loaners-summary", "loaners-audit", "stocktakes"):
        page = open_address(screen(f"anna-{path}", loaners="staff"), path)
        assert not page.exception, path


def test_the_service_is_away(filled: Session, screen: Screen, network: Network) -> None:
    page = open_address(screen("anna", loaners="staff"), "lending")
    network.cut()
    page.run()

    assert "最新の状態を取得できません。" in text_of(page.warning)
    assert rows(page)[0]["貸出先"] == "株式会社青空商事"


def test_a_condition_of_the_address_among_the_details_is_counted_there(screen: Screen, filled: Session) -> None:
    page = open_address(screen("anna", loaners="staff"), "loaners", kind="端末")

    assert [
        popover.proto.popover.label for popover in page.get("popover") if "条件" in popover.proto.popover.label
    ] == ["詳細条件（1）"]
