"""The sixth area's API; run by tests/house/test_sixth_area.py."""

from __future__ import annotations

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.demo import fill
from tests.people import create_user, signed_in_client


def test_its_routes_answer(db: Session, client: TestClient) -> None:
    fill(db)
    signed_in_client(db, client, create_user(db, "rita", scratch="reader"))

    assert client.get("/api/scratch/notes").json()["total"] == 10
    assert "/api/scratch/notes/{note_id}" in client.get("/api/openapi.json").json()["paths"]
