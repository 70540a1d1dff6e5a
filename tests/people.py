"""Creates users, actors and sessions for tests."""

from __future__ import annotations

from datetime import timedelta
from functools import cache

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from service.core.access.auth import Actor, actor_of
from service.core.access.identity import Membership, User, find_user, hash_password, open_session

PASSWORD = "correct horse battery staple"


@cache
def cheap_password_hash() -> str:
    """One password hash for all users in tests."""
    return hash_password(PASSWORD)


def create_user(db: Session, login_id: str, tenant_id: int | None = None, /, **roles: str) -> User:
    """Create a user with one membership for each area, e.g. fleet="admin". `tenant_id`: the agency or nursery that the
    memberships are bound to."""
    user = User(login_id=login_id, name=f"{login_id} さん", password_hash=cheap_password_hash())
    user.memberships.extend(Membership(area=area, role=role, tenant_id=tenant_id) for area, role in roles.items())
    db.add(user)
    db.flush()
    return user


def create_actor(
    db: Session, login_id: str, address: str = "192.0.2.1", tenant_id: int | None = None, /, **roles: str
) -> Actor:
    """Create a user and return the `Actor` that actions take. There is no session."""
    return actor_for(db, create_user(db, login_id, tenant_id, **roles), address)


def actor_for(db: Session, user: User, address: str = "192.0.2.1") -> Actor:
    stored_user = find_user(db, user.id)
    assert stored_user is not None
    return actor_of(stored_user, address)


def signed_in_client(db: Session, client: TestClient, user: User) -> TestClient:
    """The client, with the bearer token of a new session of the user."""
    token, _ = open_session(db, user, "testclient", timedelta(hours=1))
    db.commit()
    client.headers["Authorization"] = f"Bearer {token}"
    return client
