"""入退ログ: listed by the document's route and for the pages, deleted and purged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from service.entries.models import EntryExitLog, LogDay, Nursery
from tests.api.entries.conftest import log_in
from tests.api.entries.test_masters import sign_in_member

SignIn = Callable[..., TestClient]
PATH = "/api/entry-exit-logs"
# 8:00 in Tokyo.
MORNING = datetime(2026, 1, 13, 23, tzinfo=UTC)


@pytest.fixture
def past(db: Session, sakura: Nursery, himawari: Nursery) -> None:
    """Ten days at two nurseries: each parent in at eight and out at five."""
    rows = [
        {
            "parent_id": parent,
            "nursery_id": nursery.id,
            "entry_type": kind,
            "timestamp": MORNING + timedelta(days=day, hours=hours),
        }
        for day in range(10)
        for nursery, parents in ((sakura, (123456, 1)), (himawari, (223456,)))
        for parent in parents
        for kind, hours in (("Entry", 0), ("Exit", 9))
    ]
    db.execute(insert(EntryExitLog), rows)
    db.commit()


def get(client: TestClient, **query: str | int) -> Any:
    response = client.get(PATH, params=query)
    assert response.status_code == 200, response.text
    return response.json()


def test_the_documents_page_has_the_documents_fields(
    db: Session, client: TestClient, past: None, sakura: Nursery
) -> None:
    sign_in_member(db, client, sakura, "staff")

    page = get(client, pageSize=1, parentName="山田")

    assert page == {
        "logs": [
            {
                "id": page["logs"][0]["id"],
                "parentName": "山田花子",
                "entryType": "Exit",
                "timestamp": "2026-01-23T08:00:00Z",
                "childNames": ["山田太郎", "山田次郎"],
                "nurseryName": "さくら保育園",
            }
        ],
        "totalCount": 20,
        "page": 1,
        "pageSize": 1,
    }


@pytest.mark.parametrize(
    ("query", "total"),
    [
        ({}, 40),
        ({"from": "2026-01-15", "to": "2026-01-16"}, 8),
        ({"from": "2026-01-15T00:00:00Z", "to": "2026-01-16T00:00:00+09:00"}, 2),
        ({"entryType": "Entry"}, 20),
        ({"parentName": "佐藤"}, 20),
        ({"childName": "次郎"}, 40),
        ({"childName": "太郎"}, 20),
        ({"parentName": "松本"}, 0),
    ],
)
def test_filters_narrow_the_list(
    db: Session, client: TestClient, past: None, sakura: Nursery, query: dict[str, str], total: int
) -> None:
    sign_in_member(db, client, sakura, "staff")

    page = get(client, **query)

    assert page["totalCount"] == total
    assert len(page["logs"]) == min(50, total)


def test_every_log_is_on_exactly_one_page(client: TestClient, sign_in: SignIn, past: None) -> None:
    sign_in("alice", entries="admin")

    pages = [get(client, page=number, pageSize=7) for number in range(1, 11)]
    ids = [log["id"] for page in pages for log in page["logs"]]
    times = [log["timestamp"] for page in pages for log in page["logs"]]

    assert (len(ids), len(set(ids)), times) == (60, 60, sorted(times, reverse=True))
    assert {page["totalCount"] for page in pages} == {60}


def test_a_deleted_log_leaves_the_list_with_its_reason_and_only_then_can_be_purged(
    db: Session, client: TestClient, sign_in: SignIn, past: None, sakura: Nursery
) -> None:
    sign_in("alice", entries="admin")
    log = get(client)["logs"][0]["id"]

    early = client.post(f"/api/entries/logs/{log}/purge", json={"reason": "個人情報の削除依頼"})
    deleted = client.request("DELETE", f"{PATH}/{log}", json={"reason": "誤ってスキャンした"})
    remaining = get(client)["totalCount"]
    [item] = client.get("/api/entries/logs", params={"deleted": True}).json()["items"]
    purged = client.post(f"/api/entries/logs/{log}/purge", json={"reason": "個人情報の削除依頼"})

    assert (early.status_code, deleted.status_code, purged.status_code) == (409, 204, 204)
    assert (remaining, item["delete_reason"], item["deleted_by"]) == (59, "誤ってスキャンした", "alice さん")
    assert client.get("/api/entries/logs", params={"deleted": True}).json()["total"] == 0


def test_not_even_sql_removes_a_log_that_was_not_deleted(db: Session, past: None) -> None:
    db.execute(text("DELETE FROM entries_logs"))

    assert db.scalar(select(func.count()).select_from(EntryExitLog)) == 60


def test_another_nurserys_log_is_not_found(
    db: Session, client: TestClient, past: None, sakura: Nursery, himawari: Nursery
) -> None:
    other_log = db.scalars(select(EntryExitLog.id).where(EntryExitLog.nursery_id == himawari.id)).first()
    sign_in_member(db, client, sakura)

    assert client.delete(f"{PATH}/{other_log}").status_code == 404
    assert client.get("/api/entries/logs", params={"nursery_id": himawari.id}).status_code == 404
    assert get(client, parentName="松本")["totalCount"] == 0


def test_totals_by_day_equal_the_count_of_logs(db: Session, client: TestClient, sign_in: SignIn, past: None) -> None:
    sign_in("alice", entries="admin")
    for log in get(client, pageSize=5)["logs"]:
        client.delete(f"{PATH}/{log['id']}")

    stored = db.execute(select(func.sum(LogDay.logs), func.sum(LogDay.deleted))).one()
    counted = db.scalar(select(func.count()).where(EntryExitLog.deleted_at.is_(None)))

    assert (stored[0], stored[1]) == (counted, 5) == (55, 5)


def test_a_station_reads_no_list_and_a_user_records_no_scan(
    db: Session, client: TestClient, past: None, sakura: Nursery
) -> None:
    station = log_in(client)
    reading = client.get(PATH, headers=station)
    sign_in_member(db, client, sakura)

    recording = client.post(PATH, json={"parentId": 123456, "entryType": "Entry"})

    assert (reading.status_code, recording.status_code) == (401, 401)


def test_the_csv_has_the_columns_of_the_page(db: Session, client: TestClient, past: None, sakura: Nursery) -> None:
    sign_in_member(db, client, sakura, "staff")

    csv = client.get(
        "/api/entries/logs.csv", params={"parent_name": "山田", "first_day": "2026-01-14", "last_day": "2026-01-14"}
    )

    assert csv.status_code == 200, csv.text
    assert csv.text.lstrip("\ufeff").splitlines()[:2] == [
        "日時,保護者名,入/出,関連園児名,保育園名,記録の状態,削除日時,削除した人,理由",
        '2026-01-14 17:00:00,山田花子,出,"山田太郎, 山田次郎",さくら保育園,,,,',
    ]
