"""The sixth area through this door; run by tests/house/test_sixth_area.py."""

from __future__ import annotations

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.demo import fill
from tests.people import person, signed_in


def test_its_routes_answer(db: Session, client: TestClient) -> None:
    fill(db)
    signed_in(db, client, person(db, "rita", scratch="reader"))

    assert client.get("/api/scratch/notes").json()["total"] == 10
    assert "/api/scratch/notes/{note_id}" in client.get("/api/openapi.json").json()["paths"]
