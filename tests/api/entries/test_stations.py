"""Stations as staff look after them."""

from __future__ import annotations

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.entries.models import Nursery
from tests.api.entries.conftest import log_in
from tests.api.entries.test_masters import manager


def test_a_station_is_listed_with_what_it_said_and_ended_by_staff(
    db: Session, client: TestClient, sakura: Nursery, himawari: Nursery
) -> None:
    headers, others = log_in(client), log_in(client, "HMW456")
    client.post(
        "/api/auth/heartbeat", json={"queueDepth": 7, "needsAttention": 1, "appVersion": "1.0"}, headers=headers
    )
    manager(db, client, sakura)

    [station] = client.get("/api/entries/stations").json()["items"]
    named = client.patch(f"/api/entries/stations/{station['id']}", json={"label": "玄関"})
    ended = client.post(f"/api/entries/stations/{station['id']}/revoke")

    assert (station["queue_depth"], station["needs_attention"], station["is_silent"]) == (7, 1, False)
    assert (named.status_code, ended.status_code) == (204, 204)
    assert client.post("/api/auth/heartbeat", headers=headers).status_code == 401
    assert client.post("/api/auth/heartbeat", headers=others).status_code == 200
    assert client.get("/api/entries/stations").json()["total"] == 0


def test_another_nurserys_station_is_not_there(
    db: Session, client: TestClient, sakura: Nursery, himawari: Nursery
) -> None:
    log_in(client, "HMW456")
    manager(db, client, himawari)
    [station] = client.get("/api/entries/stations").json()["items"]
    manager(db, client, sakura)

    assert client.post(f"/api/entries/stations/{station['id']}/revoke").status_code == 404
    assert client.get("/api/entries/stations").json()["total"] == 0
