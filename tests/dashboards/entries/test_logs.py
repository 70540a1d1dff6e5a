"""入退管理ログ, as drawn in 6.3."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.core.audit import AuditEntry
from service.entries.models import EntryExitLog, Nursery
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.entries.conftest import Screen
from tests.dashboards.entries.scene import TODAY, scan, set_clock
from tests.dashboards.pages import column_titles, press, rows, text_of, texts

LIST = "entries.logs"


@pytest.fixture
def scanned(db: Session, sakura: Nursery, himawari: Nursery) -> None:
    scan(db, sakura, 123456, "Entry", "9:15:32")
    scan(db, sakura, 1, "Entry", "9:12:04", was_offline=True)
    scan(db, sakura, 1, "Exit", "15:30:15", skew_seconds=-600)
    scan(db, sakura, 123456, "Exit", "17:00", TODAY - timedelta(days=1))
    scan(db, himawari, 223456, "Entry", "8:00")
    set_clock(db, "16:00")


def click_row_action(page: AppTest, label: str, parent: str, kind: str) -> int:
    items = page.session_state[f"live.{LIST}"].data["items"]
    row = next(item for item in items if (item["parent_name"], item["entry_type"]) == (parent, kind))
    page.session_state[f"{LIST}.clicked"] = (label, row)
    page.run()
    return int(row["id"])


def test_the_documents_columns_in_its_order_newest_first(
    db: Session, nursery_screen: Screen, sakura: Nursery, scanned: None
) -> None:
    page = open_address(nursery_screen("staff", sakura), "entry-exit-logs")

    assert [title.value for title in page.title] == ["入退管理ログ"]
    assert column_titles(page) == ["日時", "保護者名", "入/出", "関連園児名", "記録の状態"]
    shown = [
        (row["日時"], row["保護者名"], [*row["入/出"]], row["関連園児名"], [*row["記録の状態"]]) for row in rows(page)
    ]
    assert shown == [
        ("2026-11-20 15:30:15", "佐藤太郎", ["↑ 出"], "佐藤次郎", ["時計のずれ"]),
        ("2026-11-20 09:15:32", "山田花子", ["↓ 入"], "山田太郎, 山田次郎", []),
        ("2026-11-20 09:12:04", "佐藤太郎", ["↓ 入"], "佐藤次郎", ["オフライン"]),
        ("2026-11-19 17:00:00", "山田花子", ["↑ 出"], "山田太郎, 山田次郎", []),
    ]
    assert not page.exception


def test_who_sees_several_nurseries_reads_which_one_it_was(
    db: Session, nursery_screen: Screen, sakura: Nursery, scanned: None
) -> None:
    page = open_address(nursery_screen("admin"), "entry-exit-logs")
    assert {row["保育園名"] for row in rows(page)} == {"さくら保育園", "ひまわり保育園"}
    page.selectbox(key="nursery_id").select(sakura.id).run()
    assert {row["保育園名"] for row in rows(page)} == {"さくら保育園"}


def test_each_condition_cuts_the_list(db: Session, nursery_screen: Screen, sakura: Nursery, scanned: None) -> None:
    page = open_address(nursery_screen("staff", sakura), "entry-exit-logs")

    page.text_input(key="parent_name").input("佐藤").run()
    assert {row["保護者名"] for row in rows(page)} == {"佐藤太郎"}
    page.selectbox(key="entry_type").select("Exit").run()
    assert [row["日時"] for row in rows(page)] == ["2026-11-20 15:30:15"]
    press(page, "clear")
    page.text_input(key="child_name").input("山田太郎").run()
    assert [row["日時"] for row in rows(page)] == ["2026-11-20 09:15:32", "2026-11-19 17:00:00"]
    page.date_input(key="period").set_value((TODAY, TODAY)).run()
    assert [row["日時"] for row in rows(page)] == ["2026-11-20 09:15:32"]
    assert "該当 **1件**" in texts(page)


def test_times_are_sorted_by_the_service_and_exported_as_shown(
    db: Session, nursery_screen: Screen, sakura: Nursery, scanned: None
) -> None:
    page = open_address(nursery_screen("staff", sakura), "entry-exit-logs")
    page.selectbox(key="sort").select("timestamp").run()
    assert rows(page)[0]["日時"] == "2026-11-19 17:00:00"
    links = "\n".join(element.value for element in page.html)
    assert "/download/api/entries/logs.csv?sort=timestamp" in links
    assert "/download/api/entries/logs.xlsx?sort=timestamp" in links


def test_fifty_stand_on_a_page(db: Session, nursery_screen: Screen, sakura: Nursery) -> None:
    for minute in range(51):
        scan(db, sakura, 1, "Entry", f"9:{minute:02}")
    page = open_address(nursery_screen("staff", sakura), "entry-exit-logs")
    assert len(rows(page)) == 50
    assert "1 / 2ページ" in texts(page)
    press(page, f"{LIST}.next")
    assert len(rows(page)) == 1
    assert "2 / 2ページ" in texts(page)


def test_a_wrong_scan_is_deleted_with_its_reason_and_an_administrator_takes_it_away_for_good(
    db: Session, nursery_screen: Screen, sakura: Nursery, scanned: None
) -> None:
    page = open_address(nursery_screen("staff", sakura), "entry-exit-logs")
    log_id = click_row_action(page, "削除", "佐藤太郎", "Exit")
    assert "2026-11-20 15:30:15 佐藤太郎さんの「↑ 出」" in text_of(page.warning)
    assert page.text_area(key=f"logs.delete.{log_id}.reason").value == "誤スキャン"

    press(page, f"logs.delete.{log_id}.confirm")

    db.expire_all()
    assert (log := db.get_one(EntryExitLog, log_id)).delete_reason == "誤スキャン"
    assert log.deleted_by == f"staff-{sakura.code} さん"
    assert len(rows(page)) == 3
    assert "deleted" not in {box.key for box in page.selectbox}

    page = open_address(nursery_screen("admin"), "entry-exit-logs")
    page.selectbox(key="deleted").select("true").run()
    assert [(row["日時"], row["理由"]) for row in rows(page)] == [("2026-11-20 15:30:15", "誤スキャン")]
    click_row_action(page, "完全に削除", "佐藤太郎", "Exit")
    press(page, f"logs.purge.{log_id}.confirm")
    assert "理由を入力してください。" in texts(page)
    page.text_area(key=f"logs.purge.{log_id}.reason").input("テスト用の記録のため")
    press(page, f"logs.purge.{log_id}.confirm")

    db.expire_all()
    assert db.get(EntryExitLog, log_id) is None
    entries = db.scalars(select(AuditEntry).where(AuditEntry.subject_id == str(log_id)).order_by(AuditEntry.id)).all()
    assert [(entry.after or {})["reason"] for entry in entries] == ["誤スキャン", "テスト用の記録のため"]


def test_without_logs_the_page_says_where_they_come_from(db: Session, nursery_screen: Screen, sakura: Nursery) -> None:
    page = open_address(nursery_screen("nursery_admin", sakura), "entry-exit-logs")
    assert "今日はまだ入退の記録がありません。" in texts(page)
    assert "**まだ入退の記録がありません**" in texts(page)
    assert any('href="/imports"' in element.value for element in page.html)


def test_when_the_service_cannot_be_reached_it_says_so(
    db: Session, nursery_screen: Screen, sakura: Nursery, network: Network, scanned: None
) -> None:
    page = open_address(nursery_screen("staff", sakura), "entry-exit-logs")
    network.cut()
    page.text_input(key="parent_name").input("山田").run()
    assert "サービスに接続できません" in text_of(page.error)
    network.restore()
