"""出欠: what staff record next to the scans."""

from __future__ import annotations

from datetime import date, datetime, time

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, insert, select
from sqlalchemy.orm import Session

from service.core.values.times import at
from service.entries.models import Child, EntryExitLog, Nursery
from tests.api.entries.test_masters import sign_in_member

DAY = date(2026, 1, 14)


def at_time(hour: int, minute: int, day: date = DAY) -> datetime:
    return at(day, time(hour, minute))


@pytest.fixture
def scanned(db: Session, sakura: Nursery, himawari: Nursery) -> None:
    """山田花子 brings both children and fetches them, once in between, too."""
    times = (("Entry", 9, 15), ("Exit", 11, 0), ("Entry", 12, 30), ("Exit", 15, 30))
    db.execute(
        insert(EntryExitLog),
        [
            {"parent_id": 123456, "nursery_id": sakura.id, "entry_type": kind, "timestamp": at_time(hour, minute)}
            for kind, hour, minute in times
        ],
    )
    db.commit()


def child_id(db: Session, name: str) -> int:
    return db.scalars(select(Child.id).where(Child.name == name)).one()


def test_the_documents_array_has_children_with_what_was_scanned(
    db: Session, client: TestClient, scanned: None, sakura: Nursery
) -> None:
    sign_in_member(db, client, sakura, "staff")

    body = client.get("/api/attendance", params={"date": "2026-01-14"}).json()

    by_name = {row["childName"]: row for row in body}
    assert by_name.keys() == {"山田太郎", "山田次郎", "佐藤次郎"}
    assert by_name["山田太郎"].keys() == {"childId", "childName", "attendances", "entryExitLogs"}
    first = by_name["山田太郎"]["entryExitLogs"][0]
    assert first | {"logId": 0} == {
        "logId": 0,
        "entryType": "Entry",
        "timestamp": "2026-01-14T00:15:00Z",
        "parentName": "山田花子",
    }
    assert by_name["佐藤次郎"]["entryExitLogs"] == []


def test_the_sheet_shows_the_latest_times_and_counts(
    db: Session, client: TestClient, scanned: None, sakura: Nursery
) -> None:
    sign_in_member(db, client, sakura, "staff")
    url = f"/api/entries/children/{child_id(db, '佐藤次郎')}/attendance/2026-01-14"
    client.put(url, json={"version": 0, "presence": "absent", "note": "風邪のため"})

    sheet = client.get("/api/entries/attendance", params={"day": "2026-01-14"}).json()

    rows = {row["child_name"]: row for row in sheet["rows"]}
    assert (rows["山田太郎"]["presence"], rows["山田太郎"]["suggested"]) == ("present", True)
    assert rows["山田太郎"]["latest_entry"] == "2026-01-14T03:30:00Z"
    assert rows["山田太郎"]["latest_exit"] == "2026-01-14T06:30:00Z"
    assert (rows["佐藤次郎"]["presence"], rows["佐藤次郎"]["note"]) == ("absent", "風邪のため")
    assert sheet["counts"] == {"present": 2, "absent": 1, "late": 0, "left_early": 0, "unknown": 0}


def test_scans_of_other_days_and_deleted_scans_are_left_out(
    db: Session, client: TestClient, scanned: None, sakura: Nursery
) -> None:
    scan = {"parent_id": 123456, "nursery_id": sakura.id, "entry_type": "Exit"}
    hours = {"yesterday": at_time(17, 0, date(2026, 1, 13)), "tomorrow": at_time(0, 0, date(2026, 1, 15))}
    db.execute(insert(EntryExitLog), [{**scan, "timestamp": hour} for hour in hours.values()])
    deleted = {**scan, "timestamp": at_time(18, 0), "deleted_at": at_time(18, 1), "deleted_by": "園 長子"}
    db.execute(insert(EntryExitLog), [{**deleted, "delete_reason": "押し間違い"}])
    db.commit()
    sign_in_member(db, client, sakura, "staff")

    array = client.get("/api/attendance", params={"date": "2026-01-14"}).json()
    sheet = client.get("/api/entries/attendance", params={"day": "2026-01-14"}).json()

    [logs] = [row["entryExitLogs"] for row in array if row["childName"] == "山田太郎"]
    assert len(logs) == 4
    [row] = [row for row in sheet["rows"] if row["child_name"] == "山田太郎"]
    assert row["latest_exit"] == "2026-01-14T06:30:00Z"


def test_of_two_edits_at_once_the_second_is_a_conflict(
    db: Session, client: TestClient, scanned: None, sakura: Nursery
) -> None:
    sign_in_member(db, client, sakura, "staff")
    url = f"/api/entries/children/{child_id(db, '山田太郎')}/attendance/2026-01-14"

    first = client.put(url, json={"version": 0, "presence": "late", "note": "通院のため"})
    second = client.put(url, json={"version": 0, "presence": "absent"})

    assert (first.status_code, second.status_code) == (204, 409)
    assert second.json()["current"] == {"presence": "late", "note": "通院のため", "version": 1}


def test_another_nurserys_child_is_not_found(
    db: Session, client: TestClient, scanned: None, sakura: Nursery, himawari: Nursery
) -> None:
    other_child = child_id(db, "松本律")
    sign_in_member(db, client, sakura)

    assert (
        client.put(
            f"/api/entries/children/{other_child}/attendance/2026-01-14", json={"version": 0, "presence": "absent"}
        ).status_code
        == 404
    )
    assert client.get(f"/api/entries/children/{other_child}/months/2026-01").status_code == 404
    assert client.get("/api/entries/attendance", params={"nursery_id": himawari.id}).status_code == 404


def test_a_childs_month_has_every_day(db: Session, client: TestClient, scanned: None, sakura: Nursery) -> None:
    sign_in_member(db, client, sakura, "staff")

    report = client.get(f"/api/entries/children/{child_id(db, '山田太郎')}/months/2026-01").json()

    [brought] = [day for day in report["days"] if day["first_entry"]]
    assert len(report["days"]) == 31
    assert (brought["day"], brought["first_entry"], brought["last_exit"]) == (
        "2026-01-14",
        "2026-01-14T00:15:00Z",
        "2026-01-14T06:30:00Z",
    )
    assert report["counts"]["present"] == 1


def count_statements(db: Session, client: TestClient) -> int:
    """The number of SQL statements that the day's sheet takes."""
    executed: list[str] = []

    def record(_: object, __: object, statement: str, *___: object) -> None:
        executed.append(statement)

    event.listen(db.get_bind(), "before_cursor_execute", record)
    try:
        assert client.get("/api/entries/attendance", params={"day": "2026-01-14"}).status_code == 200
    finally:
        event.remove(db.get_bind(), "before_cursor_execute", record)
    return sum("entries_" in statement for statement in executed)


def test_a_days_sheet_takes_as_many_statements_for_many_children_as_for_few(
    db: Session, client: TestClient, scanned: None, sakura: Nursery
) -> None:
    sign_in_member(db, client, sakura, "staff")
    few = count_statements(db, client)
    db.add_all(Child(nursery_id=sakura.id, name=f"園児{number}") for number in range(100))
    db.commit()

    assert 0 < count_statements(db, client) == few
