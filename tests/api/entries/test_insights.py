"""在園状況 and 統計."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.values.times import at, local_date
from service.entries.models import EntryExitLog, Guardianship, Nursery, Parent
from tests.api.entries.test_masters import sign_in_member

FIRST = date(2026, 1, 5)


def scan(db: Session, nursery: Nursery, parent: int, kind: str, timestamp: datetime) -> None:
    db.execute(
        insert(EntryExitLog),
        [{"parent_id": parent, "nursery_id": nursery.id, "entry_type": kind, "timestamp": timestamp}],
    )


@pytest.fixture
def weeks(db: Session, sakura: Nursery) -> None:
    """Twelve days in at 8:20, out at 17:00; on the sixth in at 10:30, on the eighth out at 18:40, on the tenth never
    out."""
    for number in range(12):
        day = FIRST + timedelta(days=number)
        scan(db, sakura, 123456, "Entry", at(day, time(10, 30) if number == 5 else time(8, 20)))
        if number != 9:
            scan(db, sakura, 123456, "Exit", at(day, time(18, 40) if number == 7 else time(17)))
    db.commit()


def test_the_last_scan_of_today_decides_who_is_in_the_building(
    db: Session, client: TestClient, sakura: Nursery
) -> None:
    now = app_now(db)
    scan(db, sakura, 123456, "Entry", now - timedelta(minutes=1))
    db.commit()
    sign_in_member(db, client, sakura, "staff")

    body = client.get("/api/entries/now").json()

    states = {child["child_name"]: (child["state"], child["by"]) for child in body["children"]}
    same_day = local_date(now - timedelta(minutes=1)) == local_date(now)
    expected = ("in", "山田花子") if same_day else ("not_come", None)
    assert states == {"山田太郎": expected, "山田次郎": expected, "佐藤次郎": ("not_come", None)}
    assert body["counts"]["in"] == (2 if same_day else 0)


def test_statistics_show_the_busiest_quarters_late_fetching_and_what_is_unusual(
    db: Session, client: TestClient, sakura: Nursery, weeks: None
) -> None:
    sign_in_member(db, client, sakura, "staff")

    statistics = client.get(
        "/api/entries/statistics", params={"first_day": "2026-01-05", "last_day": "2026-01-18"}
    ).json()

    assert (statistics["days"], statistics["busiest_entry"], statistics["busiest_exit"]) == (12, "08:15", "17:00")
    assert [(late["day"], late["minutes"]) for late in statistics["late"]] == [("2026-01-12", 40)]
    assert {(entry["day"], entry["kind"], entry["minutes"]) for entry in statistics["unusual"]} == {
        ("2026-01-10", "late", 130),
        ("2026-01-12", "late", 100),
        ("2026-01-14", "forgotten", 0),
    }


def test_a_child_fetched_by_another_guardian_is_unusual(
    db: Session, client: TestClient, sakura: Nursery, weeks: None
) -> None:
    """On the twelfth day another guardian fetches the child."""
    [child] = db.query(Guardianship.child_id).where(Guardianship.parent_id == 123456).limit(1).one()
    db.add(Parent(id=777, nursery_id=sakura.id, name="山田太一"))
    db.flush()
    db.add(Guardianship(parent_id=777, child_id=child, nursery_id=sakura.id))
    scan(db, sakura, 777, "Exit", at(FIRST + timedelta(days=11), time(17, 30)))
    db.commit()
    sign_in_member(db, client, sakura, "staff")

    statistics = client.get(
        "/api/entries/statistics", params={"first_day": "2026-01-05", "last_day": "2026-01-18"}
    ).json()

    [entry] = [entry for entry in statistics["unusual"] if entry["kind"] == "other_person"]
    assert (entry["day"], entry["parent_name"], entry["child_names"]) == ("2026-01-16", "山田太一", ["山田太郎"])


def test_the_documents_indicators_are_measured(db: Session, client: TestClient, sakura: Nursery, weeks: None) -> None:
    scan(db, sakura, 1, "Entry", datetime.now(UTC) - timedelta(days=3))
    db.commit()
    sign_in_member(db, client, sakura, "staff")

    statistics = client.get(
        "/api/entries/statistics", params={"first_day": "2026-01-05", "last_day": "2026-01-18"}
    ).json()

    used, forgotten, fast = statistics["indicators"]
    assert (used["key"], used["part"], used["whole"], used["met"]) == ("KPI-001", 1, 2, False)
    assert (forgotten["key"], forgotten["part"], forgotten["whole"], forgotten["met"]) == ("KPI-002", 1, 12, False)
    assert (fast["key"], fast["value"], fast["met"]) == ("KPI-003", None, None)


def test_a_period_of_more_than_a_year_is_refused(db: Session, client: TestClient, sakura: Nursery) -> None:
    sign_in_member(db, client, sakura, "staff")

    period = {"first_day": "2024-01-01", "last_day": "2026-01-01"}

    assert client.get("/api/entries/statistics", params=period).status_code == 422
