"""PDFs and exports of the entries area next to the lists."""

from __future__ import annotations

from datetime import date, time, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from service.core.values.times import at
from service.entries.attendance.models import Attendance
from service.entries.models import Child, EntryExitLog, Nursery
from tests import pdfs
from tests.api.entries.test_masters import sign_in_member

FIRST = date(2026, 1, 5)


@pytest.fixture
def weeks(db: Session, sakura: Nursery) -> None:
    """Twelve days in at 8:20, out at 17:00, on the eighth at 18:40, on the tenth never."""
    rows = []
    for number in range(12):
        day = FIRST + timedelta(days=number)
        rows.append(("Entry", at(day, time(8, 20))))
        if number != 9:
            rows.append(("Exit", at(day, time(18, 40) if number == 7 else time(17))))
    values = [
        {"parent_id": 123456, "nursery_id": sakura.id, "entry_type": kind, "timestamp": timestamp}
        for kind, timestamp in rows
    ]
    db.execute(insert(EntryExitLog), values)
    db.commit()


def child_id(db: Session, name: str) -> int:
    return db.scalars(select(Child.id).where(Child.name == name)).one()


def lines(text: str) -> list[str]:
    return text.removeprefix("\ufeff").splitlines()


def test_the_paper_list_has_each_child_of_the_nursery_by_class_and_room_to_sign(
    db: Session, client: TestClient, sakura: Nursery, himawari: Nursery
) -> None:
    db.get_one(Child, child_id(db, "佐藤次郎")).class_name = "うさぎ組"
    sign_in_member(db, client, sakura, "staff")

    response = client.get("/api/entries/paper-list.pdf")

    assert response.headers["content-type"] == "application/pdf"
    [page] = (text.replace(" ", "") for text in pdfs.page_texts(response.content))
    assert "紙の入退台帳" in page
    assert "さくら保育園" in page
    assert "園児3人" in page
    assert page.index("うさぎ組（1人）") < page.index("佐藤次郎佐藤太郎") < page.index("組なし（2人）")
    assert all(text in page for text in ("入時刻", "出時刻", "署名", "山田太郎山田花子", "山田次郎山田花子"))
    assert "松本律" not in page


def test_another_nurserys_documents_are_not_found(
    db: Session, client: TestClient, sakura: Nursery, himawari: Nursery
) -> None:
    sign_in_member(db, client, sakura, "staff")
    other_child = child_id(db, "松本律")

    responses = [
        client.get("/api/entries/paper-list.pdf", params={"nursery_id": himawari.id}),
        client.get(f"/api/entries/children/{other_child}/months/2026-01/report.pdf"),
        client.get(f"/api/entries/children/{other_child}/months/2026-01/report.csv"),
        client.get("/api/entries/statistics/late.csv", params={"nursery_id": himawari.id}),
    ]

    assert [response.status_code for response in responses] == [404] * 4


def test_a_childs_month_as_pdf_and_csv(db: Session, client: TestClient, sakura: Nursery, weeks: None) -> None:
    child = child_id(db, "山田太郎")
    db.add(
        Attendance(child_id=child, day=FIRST, nursery_id=sakura.id, presence="late", note="=通院", updated_by="桜井 保")
    )
    sign_in_member(db, client, sakura, "staff")

    printed = client.get(f"/api/entries/children/{child}/months/2026-01/report.pdf")
    exported = client.get(f"/api/entries/children/{child}/months/2026-01/report.csv")

    [page] = (text.replace(" ", "") for text in pdfs.page_texts(printed.content))
    assert "出欠の詳細レポート" in page
    assert "2026/1/12（月）出席（スキャンから）08:20:0018:40:00" in page
    rows = lines(exported.text)
    assert rows[0] == "日付,出席状態,登園,降園,送り迎えの回数,備考"
    assert rows[5] == "2026/1/5（月）,遅刻,08:20:00,17:00:00,2,'=通院"
    assert len(rows) == 32


def test_late_and_unusual_are_exported_with_their_reasons(
    db: Session, client: TestClient, sakura: Nursery, weeks: None
) -> None:
    sign_in_member(db, client, sakura, "staff")
    period = {"first_day": "2026-01-05", "last_day": "2026-01-18"}

    late = client.get("/api/entries/statistics/late.csv", params=period)
    unusual = client.get("/api/entries/statistics/unusual.csv", params=period)

    assert lines(late.text) == [
        "日付,時刻,保護者名,関連園児名,閉園からの分数",
        "2026-01-12,18:40:00,山田花子,山田太郎、山田次郎,40",
    ]
    assert lines(unusual.text) == [
        "日付,時刻,保護者名,関連園児名,入/出,理由,いつもとの差（分）",
        "2026-01-14,08:20:00,山田花子,山田太郎、山田次郎,入,「出」の記録がない,",
        "2026-01-12,18:40:00,山田花子,山田太郎、山田次郎,出,いつもより遅い,100",
    ]


def test_long_lists_are_cut_on_the_screen_and_whole_in_the_file(
    db: Session, client: TestClient, sakura: Nursery, monkeypatch: pytest.MonkeyPatch, weeks: None
) -> None:
    sign_in_member(db, client, sakura, "staff")
    statistics = client.get(
        "/api/entries/statistics", params={"first_day": "2026-01-05", "last_day": "2026-01-18"}
    ).json()
    assert (statistics["closes_at"], statistics["late_total"], statistics["unusual_total"]) == ("18:00", 1, 2)
    assert {entry["kind"]: entry["entry_type"] for entry in statistics["unusual"]} == {
        "forgotten": "Entry",
        "late": "Exit",
    }
