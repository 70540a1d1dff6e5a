"""The station's log-in, session and scans, by the document's routes."""

from __future__ import annotations

import uuid
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.entries.models import EntryExitLog, Nursery
from tests.api.entries.conftest import PASSWORD, log_in

LOGIN = "/api/auth/entry-exit-login"


def scan(
    client: TestClient, headers: dict[str, str], parent: object = 123456, **fields: object
) -> tuple[int, dict[str, Any]]:
    response = client.post(
        "/api/entry-exit-logs", json={"parentId": parent, "entryType": "Entry"} | fields, headers=headers
    )
    return response.status_code, response.json()


def test_a_station_logs_in_with_code_and_password(client: TestClient, sakura: Nursery) -> None:
    response = client.post(LOGIN, json={"nurseryCode": "ABC123", "password": PASSWORD})

    assert response.status_code == 200
    assert response.json().keys() == {"token", "nurseryId", "nurseryName", "expiresAt"}
    assert (response.json()["nurseryId"], response.json()["nurseryName"]) == (sakura.id, "さくら保育園")


def test_five_attempts_are_judged_and_the_sixth_waits_even_when_it_is_right(
    client: TestClient, sakura: Nursery
) -> None:
    wrong = [client.post(LOGIN, json={"nurseryCode": "ABC123", "password": "x"}).status_code for _ in range(5)]
    right = client.post(LOGIN, json={"nurseryCode": "ABC123", "password": PASSWORD})

    assert wrong == [401] * 5
    assert right.status_code == 429
    assert "あと10分" in right.json()["detail"]
    assert 590 <= int(right.headers["Retry-After"]) <= 600


def test_a_running_station_is_not_affected_by_a_locked_login(client: TestClient, sakura: Nursery) -> None:
    headers = log_in(client)
    for _ in range(6):
        client.post(LOGIN, json={"nurseryCode": "ABC123", "password": "x"})

    renewed = client.post("/api/auth/heartbeat", headers=headers)

    assert renewed.status_code == 200
    assert scan(client, {"Authorization": f"Bearer {renewed.json()['token']}"})[0] == 201


def test_a_scan_is_stored_once_however_often_it_is_sent(db: Session, client: TestClient, sakura: Nursery) -> None:
    headers, event = log_in(client), str(uuid.uuid4())
    fields = {"clientEventId": event, "scannedAt": "2026-01-14T09:15:32Z"}

    first, again = scan(client, headers, **fields), scan(client, headers, **fields)

    assert (first[0], again[0]) == (201, 200)
    assert first[1] == again[1]
    assert first[1]["parentName"] == "山田花子"
    assert first[1]["childNames"] == ["山田太郎", "山田次郎"]
    assert first[1]["timestamp"] == "2026-01-14T09:15:32Z"
    assert len(db.scalars(select(EntryExitLog)).all()) == 1


def test_a_login_with_an_unknown_code_is_in_the_audit_log_without_the_code(
    db: Session, client: TestClient, sakura: Nursery
) -> None:
    refused = client.post(LOGIN, json={"nurseryCode": "SECRET", "password": "x"})

    assert refused.status_code == 401
    [entry] = db.scalars(select(AuditEntry).where(AuditEntry.action == "login_failed"))
    assert (entry.area, entry.subject, entry.subject_id, entry.after) == ("entries", "station", "-", None)


def test_a_wrong_password_is_in_the_audit_log_of_its_nursery(db: Session, client: TestClient, sakura: Nursery) -> None:
    client.post(LOGIN, json={"nurseryCode": "ABC123", "password": "x"})

    [entry] = db.scalars(select(AuditEntry).where(AuditEntry.action == "login_failed"))
    assert (entry.area, entry.after) == ("entries", {"code": "ABC123", "nursery_id": sakura.id})


def test_the_same_parent_the_same_way_within_ten_seconds_is_recorded_already(
    client: TestClient, sakura: Nursery
) -> None:
    headers = log_in(client)
    first = scan(client, headers, scannedAt="2026-01-14T09:15:32Z")

    repeated = scan(client, headers, scannedAt="2026-01-14T09:15:41Z")
    out = scan(client, headers, scannedAt="2026-01-14T09:15:41Z", entryType="Exit")
    later = scan(client, headers, scannedAt="2026-01-14T09:15:42Z")

    assert (repeated[0], repeated[1]["alreadyRecorded"], repeated[1]["id"]) == (200, True, first[1]["id"])
    assert (out[0], later[0]) == (201, 201)


def test_what_is_no_parents_number_is_refused_and_not_stored(
    db: Session, client: TestClient, sakura: Nursery, himawari: Nursery
) -> None:
    headers = log_in(client)
    unknown = [scan(client, headers, parent) for parent in (99, 223456, "0123456", "0")]
    unreadable = [scan(client, headers, parent) for parent in ("abc", "12345678901", -1)]

    assert {status for status, _ in unknown} == {404}
    assert len({body["detail"] for _, body in unknown}) == 1
    assert "保護者が見つかりません" in unknown[0][1]["detail"]
    assert {status for status, _ in unreadable} == {422}
    assert db.scalars(select(EntryExitLog)).all() == []


def test_another_nurserys_number_in_the_body_is_refused(client: TestClient, sakura: Nursery, himawari: Nursery) -> None:
    headers = log_in(client)

    assert scan(client, headers, nurseryId=himawari.id)[0] == 422
    assert scan(client, headers, nurseryId=sakura.id)[0] == 201
