"""Fixtures: two nurseries with their families, and logged-in stations."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.core.access.identity import hash_password
from service.entries.models import Child, Guardianship, Nursery, Parent

PASSWORD = "password123"


@pytest.fixture(scope="session")
def hashed() -> str:
    return hash_password(PASSWORD)


@pytest.fixture
def sakura(db: Session, hashed: str) -> Nursery:
    return create_nursery(
        db,
        hashed,
        "さくら保育園",
        "ABC123",
        {"山田花子": (123456, ["山田太郎", "山田次郎"]), "佐藤太郎": (1, ["佐藤次郎"])},
    )


@pytest.fixture
def himawari(db: Session, hashed: str) -> Nursery:
    return create_nursery(db, hashed, "ひまわり保育園", "HMW456", {"松本さくら": (223456, ["松本律"])})


def create_nursery(
    db: Session, hashed: str, name: str, code: str, families: dict[str, tuple[int, list[str]]]
) -> Nursery:
    created = Nursery(name=name, code=code, station_password_hash=hashed)
    db.add(created)
    db.flush()
    for parent, (number, children) in families.items():
        own_children = [Child(nursery_id=created.id, name=child) for child in children]
        db.add_all([Parent(id=number, nursery_id=created.id, name=parent), *own_children])
        db.flush()
        db.add_all(Guardianship(parent_id=number, child_id=child.id, nursery_id=created.id) for child in own_children)
    db.commit()
    return created


def log_in(client: TestClient, code: str = "ABC123", password: str = PASSWORD) -> dict[str, str]:
    """The headers of a station that has just logged in."""
    response = client.post("/api/auth/entry-exit-login", json={"nurseryCode": code, "password": password})
    assert response.status_code == 200, response.text
    return {"Authorization": f"Bearer {response.json()['token']}"}
