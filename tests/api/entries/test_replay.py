"""A queue of scans that is sent at once, and the same scan sent several times at once."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.entries.models import EntryExitLog, Nursery, Parent
from tests.api.entries import conftest
from tests.api.entries.conftest import log_in
from tests.conftest import Service

MORNING = datetime(2026, 1, 14, 9, tzinfo=UTC)


def queued_scan(parent: object, seconds: int, entry_type: str = "Entry") -> dict[str, Any]:
    scanned_at = MORNING + timedelta(seconds=seconds)
    return {
        "parentId": parent,
        "entryType": entry_type,
        "clientEventId": str(uuid.uuid4()),
        "scannedAt": scanned_at.isoformat(),
        "sentAt": (scanned_at + timedelta(hours=1)).isoformat(),
    }


def replay(client: TestClient, headers: dict[str, str], scans: list[dict[str, Any]]) -> list[dict[str, Any]]:
    response = client.post("/api/entries/station/logs", json={"scans": scans}, headers=headers)
    assert response.status_code == 200, response.text
    results: list[dict[str, Any]] = response.json()["results"]
    return results


def test_a_queue_is_stored_in_its_order_with_each_scans_own_time(
    db: Session, client: TestClient, sakura: Nursery
) -> None:
    scans = [queued_scan(123456, 0), queued_scan(1, 5), queued_scan(123456, 20, "Exit")]

    results = replay(client, log_in(client), scans)

    assert [result["status"] for result in results] == [201, 201, 201]
    assert [result["log"]["parentName"] for result in results] == ["山田花子", "佐藤太郎", "山田花子"]
    logs = db.scalars(select(EntryExitLog).order_by(EntryExitLog.id)).all()
    assert [log.timestamp for log in logs] == [MORNING + timedelta(seconds=after) for after in (0, 5, 20)]
    assert {log.was_offline for log in logs} == {True}


@pytest.mark.parametrize(("seconds", "was_offline"), [(30, False), (31, True)])
def test_a_scan_that_was_sent_more_than_half_a_minute_later_was_offline(
    db: Session, client: TestClient, sakura: Nursery, seconds: int, was_offline: bool
) -> None:
    sent_at = (MORNING + timedelta(seconds=seconds)).isoformat()

    replay(client, log_in(client), [queued_scan(1, 0) | {"sentAt": sent_at}])

    assert db.scalars(select(EntryExitLog.was_offline)).all() == [was_offline]


def test_a_refused_scan_does_not_block_the_rest_of_the_queue(
    db: Session, client: TestClient, sakura: Nursery, himawari: Nursery
) -> None:
    headers = log_in(client)
    other_nursery = queued_scan(123456, 90) | {"nurseryId": himawari.id}
    scans = [
        queued_scan(99, 0),
        queued_scan("abc", 1),
        queued_scan(223456, 2),
        other_nursery,
        queued_scan(123456, 3),
        queued_scan(123456, 9),
    ]

    results = replay(client, headers, scans)

    assert [result["status"] for result in results] == [404, 422, 404, 422, 201, 200]
    assert "保護者が見つかりません" in results[0]["detail"]
    assert results[0] == results[2]
    assert results[5]["log"]["alreadyRecorded"] is True
    assert results[5]["log"]["id"] == results[4]["log"]["id"]
    assert len(db.scalars(select(EntryExitLog)).all()) == 1


@pytest.mark.parametrize(
    ("timestamp", "status"),
    [
        ("2026-01-14T09:15:32+19:29", 200),  # further away than PostgreSQL's zones go
        ("2026-01-14T09:15:32-23:59", 200),
        ("1970-01-01T00:00:03Z", 200),  # a clock that has lost its time
        ("0001-01-01T00:00:00+19:29", 422),
        ("9999-12-31T23:59:59-19:29", 422),
    ],
)
def test_a_time_of_any_clock_is_stored_or_refused(
    client: TestClient, sakura: Nursery, timestamp: str, status: int
) -> None:
    scan = {"parentId": 123456, "entryType": "Entry", "scannedAt": timestamp, "sentAt": timestamp}

    response = client.post("/api/entries/station/logs", json={"scans": [scan]}, headers=log_in(client))

    assert response.status_code == status, response.text
    if status == 200:
        assert [result["status"] for result in response.json()["results"]] == [201]


def test_a_repeated_queue_is_answered_as_the_first_time(db: Session, client: TestClient, sakura: Nursery) -> None:
    headers, scans = log_in(client), [queued_scan(123456, 0), queued_scan(1, 5)]

    first = replay(client, headers, scans)
    again = replay(client, headers, [*scans, scans[0]])

    assert [result["log"] for result in again] == [*(result["log"] for result in first), first[0]["log"]]
    assert [result["status"] for result in again] == [200, 200, 200]
    assert len(db.scalars(select(EntryExitLog)).all()) == 2


@pytest.mark.parametrize("scans", [0, 101])
def test_a_queue_comes_in_hundreds(client: TestClient, sakura: Nursery, scans: int) -> None:
    body = {"scans": [queued_scan(123456, 20 * n) for n in range(scans)]}

    response = client.post("/api/entries/station/logs", json=body, headers=log_in(client))

    assert response.status_code == 422


def test_only_a_station_sends_a_queue(client: TestClient, sakura: Nursery) -> None:
    response = client.post("/api/entries/station/logs", json={"scans": [queued_scan(123456, 0)]})

    assert response.status_code == 401


def test_a_scan_is_answered_as_the_first_time_when_the_parent_has_left_meanwhile(
    db: Session, client: TestClient, sakura: Nursery
) -> None:
    headers, scan = log_in(client), queued_scan(123456, 0)
    [first] = replay(client, headers, [scan])
    db.get_one(Parent, 123456).archived_at = app_now(db)
    db.commit()

    [again] = replay(client, headers, [scan])
    [newer] = replay(client, headers, [queued_scan(123456, 60)])

    assert (again["status"], again["log"]) == (200, first["log"])
    assert newer["status"] == 404


@pytest.fixture
def running_station(service: Service, hashed: str) -> tuple[Service, dict[str, str], list[int]]:
    """A running service, the headers of a station, and the numbers of twenty parents of its nursery."""
    code = uuid.uuid4().hex[:12]
    with service.committed() as db:
        nursery = Nursery(name="なのはな保育園", code=code, station_password_hash=hashed)
        db.add(nursery)
        db.flush()
        parents = [Parent(nursery_id=nursery.id, name=f"保護者{n}") for n in range(20)]
        db.add_all(parents)
        db.flush()
        numbers = [parent.id for parent in parents]
    with service.http() as http:
        credentials = {"nurseryCode": code, "password": conftest.PASSWORD}
        token = http.post("/api/auth/entry-exit-login", json=credentials).json()["token"]
    return service, {"Authorization": f"Bearer {token}"}, numbers


@pytest.mark.parametrize("same_parent", [True, False])
def test_one_scan_by_several_connections_at_once_is_one_row(
    running_station: tuple[Service, dict[str, str], list[int]], same_parent: bool
) -> None:
    service, headers, numbers = running_station

    def send(turn: int) -> tuple[int, int]:
        scan = body | {"parentId": numbers[0 if same_parent else turn % len(numbers)]}
        with service.http() as http:
            response = http.post("/api/entry-exit-logs", json=scan, headers=headers)
        return response.status_code, response.json().get("id", 0)

    for _ in range(5):
        body = queued_scan(numbers[0], 0) | {"scannedAt": datetime.now(UTC).isoformat()}
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(send, range(8)))
        assert {status for status, _ in results} <= {200, 201}, results
        assert len({log for _, log in results}) == 1
        service.rows("UPDATE entries_logs SET deleted_at = now() WHERE id = %s", results[0][1])

    [[rows]] = service.rows("SELECT count(*) FROM entries_logs WHERE parent_id = ANY(%s)", numbers)
    assert rows == 5


def test_queued_scans_are_stored_by_the_hundred(running_station: tuple[Service, dict[str, str], list[int]]) -> None:
    """`make bench` measures the speed."""
    service, headers, numbers = running_station
    scans = [queued_scan(numbers[n % 20], 20 * n) for n in range(300)]

    with service.http() as http:
        for start in range(0, 300, 100):
            response = http.post(
                "/api/entries/station/logs", json={"scans": scans[start : start + 100]}, headers=headers
            )
            assert {result["status"] for result in response.json()["results"]} == {201}

    [[rows]] = service.rows("SELECT count(*) FROM entries_logs WHERE parent_id = ANY(%s)", numbers)
    assert rows == 300
