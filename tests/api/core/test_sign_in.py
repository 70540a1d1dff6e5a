"""Signing in, staying signed in, signing out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core.access import identity
from service.core.access.identity import User, UserSession
from service.core.audit import AuditEntry
from service.core.database.clock import real_now
from tests.people import PASSWORD, create_user


def by_password(client: TestClient, login_id: str, password: str = PASSWORD) -> int:
    answer = client.post("/api/auth/login", json={"login_id": login_id, "password": password})
    if answer.status_code == 200:
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
    return answer.status_code


def actions_of(db: Session, actor: str) -> list[str]:
    return list(db.scalars(select(AuditEntry.action).where(AuditEntry.actor == actor).order_by(AuditEntry.id)))


def test_the_right_password_opens_a_session_of_the_user(client: TestClient, db: Session) -> None:
    alice, bob = (create_user(db, name, fleet="operator") for name in ("alice", "bob"))
    db.commit()

    answer = client.post("/api/auth/login", json={"login_id": "alice", "password": PASSWORD})
    assert answer.status_code == 200
    db.expire_all()
    assert (alice.last_signed_in_at is None, bob.last_signed_in_at) == (False, None)
    client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
    me = client.get("/api/auth/me").json()

    assert answer.json()["user"] == me
    assert me["login_id"] == "alice"
    assert me["areas"] == [{"area": "fleet", "role": "operator"}]
    assert "fleet:terminal:read" in me["permissions"]
    assert "fleet:terminal:create" not in me["permissions"]
    assert actions_of(db, "alice") == ["login"]


def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(client: TestClient, db: Session) -> None:
    create_user(db, "alice", fleet="operator")
    db.commit()

    wrong = client.post("/api/auth/login", json={"login_id": "alice", "password": "wrong"})
    unknown = client.post("/api/auth/login", json={"login_id": "nobody", "password": "wrong"})

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert "ログインIDまたはパスワードが違います" in wrong.json()["detail"]
    assert actions_of(db, "alice") == ["login_failed"]


def test_an_unknown_login_id_is_not_stored(client: TestClient, db: Session) -> None:
    client.post("/api/auth/login", json={"login_id": "my-secret-password", "password": "x"})

    assert "my-secret-password" not in [entry.actor for entry in db.scalars(select(AuditEntry))]


def test_the_administrator_of_the_area_sees_who_failed_to_sign_in(
    sign_in: Callable[..., TestClient], db: Session
) -> None:
    create_user(db, "bob", fleet="operator")
    admin = sign_in("amy", fleet="admin")
    for login_id in ("bob", "nobody"):
        assert by_password(admin, login_id, "wrong") == 401

    [entry] = admin.get("/api/core/audit", params={"action": "login_failed"}).json()["items"]

    assert (entry["actor"], entry["actor_name"], entry["address"]) == ("bob", "bob さん", "testclient")


def test_an_inactive_user_cannot_sign_in_and_loses_the_open_session(client: TestClient, db: Session) -> None:
    user = create_user(db, "alice", fleet="operator")
    db.commit()
    assert by_password(client, "alice") == 200

    db.execute(update(User).where(User.id == user.id).values(is_active=False))
    db.commit()

    assert client.get("/api/auth/me").status_code == 401
    assert by_password(client, "alice") == 401


@pytest.mark.parametrize("change", [{"password_hash": "another"}, {"is_active": False}])
def test_a_reset_while_the_password_is_checked_refuses_the_sign_in(
    client: TestClient, db: Session, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    create_user(db, "alice", fleet="operator")
    db.commit()

    def meanwhile(*_: object) -> bool:
        db.execute(update(User).values(**change))
        db.commit()
        return True

    monkeypatch.setattr(identity, "check_password", meanwhile)

    assert by_password(client, "alice") == 401
    assert db.scalars(select(UserSession)).all() == []
    assert actions_of(db, "alice") == ["login_failed"]


def test_signing_out_ends_the_session(client: TestClient, db: Session) -> None:
    create_user(db, "alice", fleet="operator")
    db.commit()
    by_password(client, "alice")

    assert client.post("/api/auth/logout").status_code == 204

    assert client.get("/api/auth/me").status_code == 401
    assert actions_of(db, "alice") == ["login", "logout"]


def test_an_expired_session_is_refused_in_words(sign_in: Callable[..., TestClient], db: Session) -> None:
    client = sign_in("alice", fleet="operator")
    db.execute(update(UserSession).values(expires_at=real_now() - timedelta(seconds=1)))
    db.commit()

    answer = client.get("/api/auth/me")

    assert answer.status_code == 401
    assert "有効期限" in answer.json()["detail"]


def test_the_token_is_stored_only_as_a_hash(client: TestClient, db: Session) -> None:
    create_user(db, "alice")
    db.commit()
    token = client.post("/api/auth/login", json={"login_id": "alice", "password": PASSWORD}).json()["token"]

    stored = db.scalars(select(UserSession.token_hash)).all()

    assert all(token.encode() not in hashed for hashed in stored)
