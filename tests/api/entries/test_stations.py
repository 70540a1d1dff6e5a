"""Stations as staff manage them."""

from __future__ import annotations

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.entries.models import Nursery
from tests.api.entries.conftest import log_in
from tests.api.entries.test_masters import sign_in_member


def test_a_station_is_listed_with_its_heartbeat_and_revoked_by_staff(
    db: Session, client: TestClient, sakura: Nursery, himawari: Nursery
) -> None:
    headers, other_headers = log_in(client), log_in(client, "HMW456")
    client.post(
        "/api/auth/heartbeat", json={"queueDepth": 7, "needsAttention": 1, "appVersion": "1.0"}, headers=headers
    )
    sign_in_member(db, client, sakura)

    [station] = client.get("/api/entries/stations").json()["items"]
    renamed = client.patch(f"/api/entries/stations/{station['id']}", json={"label": "玄関"})
    revoked = client.post(f"/api/entries/stations/{station['id']}/revoke")

    assert (station["queue_depth"], station["needs_attention"], station["is_silent"]) == (7, 1, False)
    assert (renamed.status_code, revoked.status_code) == (204, 204)
    assert client.post("/api/auth/heartbeat", headers=headers).status_code == 401
    assert client.post("/api/auth/heartbeat", headers=other_headers).status_code == 200
    assert client.get("/api/entries/stations").json()["total"] == 0


def test_another_nurserys_station_is_not_found(
    db: Session, client: TestClient, sakura: Nursery, himawari: Nursery
) -> None:
    log_in(client, "HMW456")
    sign_in_member(db, client, himawari)
    [station] = client.get("/api/entries/stations").json()["items"]
    sign_in_member(db, client, sakura)

    assert client.post(f"/api/entries/stations/{station['id']}/revoke").status_code == 404
    assert client.get("/api/entries/stations").json()["total"] == 0
