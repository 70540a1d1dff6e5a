"""出欠表管理, as drawn in 6.4, and 詳細レポート."""

from __future__ import annotations

from datetime import timedelta
from html import escape
from urllib.parse import urlencode

import pytest
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from service.entries.attendance.models import Attendance
from service.entries.models import Nursery
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.entries.conftest import Screen
from tests.dashboards.entries.scene import TODAY, child, scan, set_clock
from tests.dashboards.pages import cells, column_titles, lists, press, rows, run, text_of, texts

KEY = "entries.attendance"


@pytest.fixture
def scanned(db: Session, sakura: Nursery) -> None:
    """山田花子 has six scans; there is nothing about 佐藤次郎."""
    for kind, clock in (
        ("Entry", "9:15:32"),
        ("Exit", "11:00:01"),
        ("Entry", "12:30:02"),
        ("Exit", "13:00:03"),
        ("Entry", "13:30:04"),
        ("Exit", "15:30:15"),
    ):
        scan(db, sakura, 123456, kind, clock)
    set_clock(db, "16:00")


def stored(db: Session, name: str) -> Attendance | None:
    db.expire_all()
    return db.get(Attendance, (child(db, name), TODAY))


def press_action(page: AppTest, label: str, child_id: int) -> None:
    row = page.session_state[f"{KEY}.rows.rows"][str(child_id)]
    page.session_state[f"{KEY}.rows.clicked"] = (label, row)
    run(page)


def test_next_to_the_state_are_the_newest_times_and_the_history_on_hover(
    db: Session, nursery_screen: Screen, sakura: Nursery, scanned: None, network: Network
) -> None:
    page = open_address(nursery_screen("staff", sakura), "attendance")

    assert [title.value for title in page.title] == ["出欠表管理"]
    assert column_titles(page) == ["園児名", "組", "出席状態", "送り迎え時刻", "備考"]
    shown = {row["園児名"]: row for row in rows(page)}
    assert shown["山田太郎"]["送り迎え時刻"] == "登園 13:30　降園 15:30"
    assert shown["山田太郎"]["出席状態"] == ["出席（推定）"]
    assert shown["佐藤次郎"]["送り迎え時刻"] == ""
    [hint] = [row["hints"]["送り迎え時刻"] for row in lists(page)[0]["rows"] if row["cells"][0] == "山田太郎"]
    assert hint.splitlines() == [
        "送り迎え履歴",
        "保護者: 山田花子",
        "11:00:01 出（降園）",
        "12:30:02 入（登園）",
        "13:00:03 出（降園）",
        "13:30:04 入（登園）",
        "15:30:15 出（降園）",
        "ほか1件（クリックするとすべて表示します）",
    ]
    assert "の出席は**2人**、欠席は**0人**です。まだわからない園児が1人います。" in texts(page)
    assert network.calls.count("GET /api/entries/attendance") == 2
    assert not page.exception


def test_a_click_shows_the_whole_day(db: Session, nursery_screen: Screen, sakura: Nursery, scanned: None) -> None:
    page = open_address(nursery_screen("staff", sakura), "attendance")
    press_action(page, "送り迎え履歴", child(db, "山田太郎"))
    for clock in ("09:15:32", "11:00:01", "15:30:15"):
        assert f"**{clock}**" in texts(page)
    assert "スキャンからの推定。まだ入力されていません" in texts(page)
    links = "\n".join(element.value for element in page.html)
    query = {"child_id": "山田太郎（きりん組）", "month": "2026年11月"}
    assert f"/attendance-report?{escape(urlencode(query))}" in links


def test_staff_write_state_and_note(db: Session, nursery_screen: Screen, sakura: Nursery, scanned: None) -> None:
    page = open_address(nursery_screen("staff", sakura), "attendance")
    child_id = child(db, "佐藤次郎")
    press_action(page, "編集", child_id)
    page.radio(key=f"attendance.edit.{child_id}.0.False.presence.0").set_value("absent")
    page.text_area(key=f"attendance.edit.{child_id}.0.False.note.0").input("風邪のため")
    press(page, f"attendance.edit.{child_id}.0.False.submit")

    row = stored(db, "佐藤次郎")
    assert row is not None
    assert (row.presence, row.note) == ("absent", "風邪のため")
    assert "風邪のため" in cells(page, "備考")
    assert "欠席は**1人**です。全員の出欠がわかっています。" in texts(page)


def test_of_two_who_write_the_second_sees_both_and_decides(
    db: Session, nursery_screen: Screen, sakura: Nursery, scanned: None
) -> None:
    page = open_address(nursery_screen("staff", sakura), "attendance")
    child_id = child(db, "佐藤次郎")
    press_action(page, "編集", child_id)
    db.add(
        Attendance(
            child_id=child_id,
            day=TODAY,
            nursery_id=sakura.id,
            presence="late",
            note="通院",
            updated_by="先の 人",
            version=1,
        )
    )
    db.commit()
    page.radio(key=f"attendance.edit.{child_id}.0.False.presence.0").set_value("absent")
    press(page, f"attendance.edit.{child_id}.0.False.submit")
    assert ":orange-background[欠席]" in texts(page)
    assert ":blue-background[遅刻]" in texts(page)

    press(page, "attendance.conflict.keep")
    press(page, f"attendance.edit.{child_id}.1.True.submit")

    row = stored(db, "佐藤次郎")
    assert row is not None
    assert (row.presence, row.note) == ("absent", "")


def test_another_day_and_a_class_are_in_the_address(
    db: Session, nursery_screen: Screen, sakura: Nursery, scanned: None
) -> None:
    scan(db, sakura, 1, "Entry", "8:05:06", TODAY - timedelta(days=1))
    page = open_address(nursery_screen("staff", sakura), "attendance", day="2026-11-19")
    assert "2026/11/19（木）" in texts(page)
    assert [row["送り迎え時刻"] for row in rows(page) if row["園児名"] == "佐藤次郎"] == ["登園 08:05"]

    page.selectbox(key="class_name").select("きりん組").run()
    assert "佐藤次郎" not in cells(page, "園児名")
    assert "山田太郎" in cells(page, "園児名")


def test_the_report_is_a_month_of_one_child_and_can_be_exported(
    db: Session, nursery_screen: Screen, sakura: Nursery, scanned: None
) -> None:
    child_id = child(db, "山田太郎")
    page = open_address(
        nursery_screen("staff", sakura), "attendance-report", child_id="山田太郎（きりん組）", month="2026年11月"
    )
    assert "山田太郎さん（きりん組）は、2026年11月に**1日**出席し、**0日**欠席しました。" in texts(page)
    newest = rows(page)[0]
    assert (newest["日付"], newest["出席状態"], newest["登園"], newest["降園"]) == (
        "2026/11/20（金）",
        "出席（推定）",
        "09:15:32",
        "15:30:15",
    )
    links = "\n".join(element.value for element in page.html)
    assert f"/download/api/entries/children/{child_id}/months/2026-11/report.pdf" in links
    assert f"/download/api/entries/children/{child_id}/months/2026-11/report.csv" in links


def test_a_report_without_a_child_asks_for_one(db: Session, nursery_screen: Screen, sakura: Nursery) -> None:
    page = open_address(nursery_screen("staff", sakura), "attendance-report")
    assert "**園児が選ばれていません**" in texts(page)
    assert not page.exception


def test_an_unreachable_service_shows_a_message(
    db: Session, nursery_screen: Screen, sakura: Nursery, network: Network
) -> None:
    page = open_address(nursery_screen("staff", sakura), "attendance")
    network.cut()
    page.date_input(key="day").set_value(TODAY - timedelta(days=3)).run()
    assert "サービスに接続できません" in text_of(page.error)
