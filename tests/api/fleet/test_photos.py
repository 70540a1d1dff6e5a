"""設置写真: pictures of where a terminal stands."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import httpx2
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.fleet import rules
from service.fleet.models import Terminal
from tests import factories
from tests.pictures import picture


@pytest.fixture
def terminal(db: Session) -> Terminal:
    created = factories.terminal(db)
    db.commit()
    return created


@pytest.fixture
def operator(sign_in: Callable[..., TestClient]) -> TestClient:
    return sign_in("olivia", fleet="operator")


def send(client: TestClient, name: str = "現地.jpg") -> str:
    params = {"name": name, "purpose": "fleet.terminal_photo"}
    file_id: str = client.put("/api/core/files", params=params, content=picture()).json()["id"]
    return file_id


def add(client: TestClient, terminal: Terminal, file_id: str) -> httpx2.Response:
    return client.post(f"/api/fleet/terminals/{terminal.id}/photos", json={"file_id": file_id})


def test_a_photo_is_attached_listed_and_taken_off_again(operator: TestClient, terminal: Terminal, db: Session) -> None:
    file_id = send(operator)

    added = add(operator, terminal, file_id)

    assert added.status_code == 201
    listed = operator.get(f"/api/fleet/terminals/{terminal.id}/photos").json()
    assert listed == added.json()
    [photo] = listed["items"]
    assert listed["total"] == 1
    assert (photo["id"], photo["name"], photo["width"], photo["added_by"]) == (file_id, "現地.jpg", 640, "olivia さん")

    assert operator.delete(f"/api/fleet/terminals/{terminal.id}/photos/{file_id}").status_code == 204
    assert operator.get(f"/api/fleet/terminals/{terminal.id}/photos").json() == {"items": [], "total": 0}
    assert operator.delete(f"/api/fleet/terminals/{terminal.id}/photos/{file_id}").status_code == 404
    entries = db.scalars(select(AuditEntry).where(AuditEntry.action == "update").order_by(AuditEntry.id)).all()
    audited = {"file_id": file_id, "name": "現地.jpg"}
    assert [(entry.actor, entry.before, entry.after) for entry in entries] == [
        ("olivia", None, {"photo_added": audited}),
        ("olivia", {"photo_removed": audited}, None),
    ]


def test_a_photo_belongs_to_one_terminal(operator: TestClient, terminal: Terminal, db: Session) -> None:
    other = factories.terminal(db)
    db.commit()
    file_id = send(operator)
    assert add(operator, terminal, file_id).status_code == 201

    again = add(operator, other, file_id)

    assert again.status_code == 409
    assert "すでに使われています" in again.json()["detail"]
    assert operator.delete(f"/api/fleet/terminals/{other.id}/photos/{file_id}").status_code == 404


def test_no_user_attaches_the_upload_of_another(
    operator: TestClient, terminal: Terminal, sign_in: Callable[..., TestClient]
) -> None:
    file_id = send(operator)

    refused = add(sign_in("adam", fleet="admin"), terminal, file_id)

    assert refused.status_code == 404
    assert refused.json() == add(sign_in("anna", fleet="admin"), terminal, str(uuid.uuid4())).json()


def test_an_unknown_terminal_has_no_photos(operator: TestClient) -> None:
    file_id = send(operator)

    for answer in (
        operator.get("/api/fleet/terminals/999999/photos"),
        operator.post("/api/fleet/terminals/999999/photos", json={"file_id": file_id}),
        operator.delete(f"/api/fleet/terminals/999999/photos/{file_id}"),
    ):
        assert answer.status_code == 404


def test_the_number_of_photos_of_a_terminal_is_limited(
    operator: TestClient, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MAX_PHOTOS", 1)
    assert add(operator, terminal, send(operator)).status_code == 201

    refused = add(operator, terminal, send(operator))

    assert refused.status_code == 409
    assert "1台につき1枚まで" in refused.json()["detail"]
