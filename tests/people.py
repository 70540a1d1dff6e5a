"""The fixed cast: who signs in during tests, and how."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.core.access.auth import Actor, actor_of
from service.core.access.identity import Membership, User, find_user, hash_password, open_session

PASSWORD = "correct horse battery staple"


@cache
def cheaply_hashed() -> str:
    """One hash for everybody in tests."""
    return hash_password(PASSWORD)


def person(db: Session, login_id: str, tenant_id: int | None = None, /, **roles: str) -> User:
    """A user with memberships, e.g. person(db, "alice", fleet="admin"); bound to an agency or nursery if so."""
    user = User(login_id=login_id, name=f"{login_id} さん", password_hash=cheaply_hashed())
    user.memberships.extend(Membership(area=area, role=role, tenant_id=tenant_id) for area, role in roles.items())
    db.add(user)
    db.flush()
    return user


def actor(
    db: Session, login_id: str, address: str = "192.0.2.1", tenant_id: int | None = None, /, **roles: str
) -> Actor:
    """The same person as actions know them, without a session."""
    return acting(db, person(db, login_id, tenant_id, **roles), address)


def acting(db: Session, user: User, address: str = "192.0.2.1") -> Actor:
    found = find_user(db, user.id)
    assert found is not None
    return actor_of(found, address)


def signed_in(db: Session, client: TestClient, user: User) -> TestClient:
    """The client, carrying a fresh session of the user."""
    token, _ = open_session(db, user, "testclient", timedelta(hours=1))
    db.commit()
    client.headers["Authorization"] = f"Bearer {token}"
    return client
