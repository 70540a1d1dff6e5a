"""The user's own account: a new password, the duty to choose one, and the open sessions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core.access.identity import User, UserSession, open_session
from service.core.audit import MASK, AuditEntry
from service.core.database.clock import real_now
from service.core.settings import settings
from tests.people import PASSWORD

NEW = "まったく新しい合言葉2026"


def change(client: TestClient, new: str = NEW, current: str = PASSWORD) -> tuple[int, str]:
    answer = client.post("/api/auth/password", json={"current_password": current, "new_password": new})
    return answer.status_code, answer.json().get("detail", "")


def test_a_new_password_ends_the_other_sessions_and_keeps_this_one(
    sign_in: Callable[..., TestClient], db: Session
) -> None:
    client = sign_in("alice", fleet="operator")
    [alice] = db.scalars(select(User))
    open_session(db, alice, "192.0.2.9", timedelta(hours=1))
    db.commit()

    answer = client.post("/api/auth/password", json={"current_password": PASSWORD, "new_password": NEW})

    assert answer.json() == {"ended": 1}
    assert client.get("/api/auth/me").status_code == 200
    assert client.post("/api/auth/login", json={"login_id": "alice", "password": PASSWORD}).status_code == 401
    assert client.post("/api/auth/login", json={"login_id": "alice", "password": NEW}).status_code == 200
    entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "update")).one()
    assert (entry.actor, entry.before) == ("alice", {"password": MASK})
    assert entry.after == {"password": MASK, "sessions_ended": 1}


def test_a_wrong_current_password_changes_nothing_and_is_throttled(sign_in: Callable[..., TestClient]) -> None:
    client = sign_in("alice", fleet="operator")
    limit = settings().sign_in_attempts

    first = change(client, current="wrong")
    for _ in range(limit - 1):
        change(client, current="wrong")

    assert first[0] == 422
    assert "現在のパスワードが違います" in first[1]
    status, detail = change(client)  # right, but too late
    assert status == 429
    assert "分ほど待ってから" in detail


def test_until_a_one_time_password_is_changed_nothing_else_can_be_done(
    sign_in: Callable[..., TestClient], db: Session
) -> None:
    client = sign_in("alice", fleet="admin")
    db.execute(update(User).values(must_change_password=True))
    db.commit()

    for path in ("/api/fleet/terminals", "/api/core/users", "/api/auth/sessions"):
        refused = client.get(path)
        assert refused.status_code == 403
        assert refused.json()["type"] == "urn:genba:password-change-needed"
    me = client.get("/api/auth/me").json()
    assert me["must_change_password"] is True
    assert me["permissions"] == []
    assert change(client)[0] == 200
    assert client.get("/api/fleet/terminals").status_code == 200
    assert client.get("/api/auth/me").json()["must_change_password"] is False


def test_signing_out_works_with_a_one_time_password(sign_in: Callable[..., TestClient], db: Session) -> None:
    client = sign_in("alice", fleet="admin")
    db.execute(update(User).values(must_change_password=True))
    db.commit()

    assert client.post("/api/auth/logout").status_code == 204
    assert client.get("/api/auth/me").status_code == 401


def test_own_sessions_are_listed_and_the_others_ended(sign_in: Callable[..., TestClient], db: Session) -> None:
    client = sign_in("alice", fleet="operator")
    [alice] = db.scalars(select(User))
    for address in ("192.0.2.7", "192.0.2.8", "192.0.2.9"):
        open_session(db, alice, address, timedelta(hours=1))
    db.commit()

    listed = client.get("/api/auth/sessions").json()["items"]
    session_id = next(item["id"] for item in listed if item["address"] == "192.0.2.7")

    assert sorted(item["address"] for item in listed) == ["192.0.2.7", "192.0.2.8", "192.0.2.9", "testclient"]
    assert [item["address"] for item in listed if item["current"]] == ["testclient"]
    assert client.post("/api/auth/sessions/revoke", json={"session_id": session_id}).json() == {"ended": 1}
    assert client.post("/api/auth/sessions/revoke", json={}).json() == {"ended": 2}
    assert [item["current"] for item in client.get("/api/auth/sessions").json()["items"]] == [True]


def test_no_user_ends_the_sessions_of_others_by_id(sign_in: Callable[..., TestClient], db: Session) -> None:
    sign_in("bob", fleet="operator")
    [bobs] = db.scalars(select(UserSession.id))
    client = sign_in("alice", fleet="operator")

    assert client.post("/api/auth/sessions/revoke", json={"session_id": bobs}).json() == {"ended": 0}


def test_an_idle_session_expires(sign_in: Callable[..., TestClient], db: Session) -> None:
    client = sign_in("alice", fleet="operator")

    def unused_for(minutes: int) -> int:
        db.execute(update(UserSession).values(last_seen_at=real_now() - timedelta(minutes=minutes)))
        db.commit()
        return client.get("/api/auth/me").status_code

    assert unused_for(settings().session_idle_minutes - 1) == 200
    assert unused_for(settings().session_idle_minutes + 1) == 401


@pytest.mark.parametrize(("seconds", "noted"), [(50, False), (70, True)])
def test_that_a_session_is_used_is_noted_once_a_minute(
    sign_in: Callable[..., TestClient], db: Session, seconds: int, noted: bool
) -> None:
    client = sign_in("alice", fleet="operator")
    before = real_now() - timedelta(seconds=seconds)
    db.execute(update(UserSession).values(last_seen_at=before))
    db.commit()

    client.get("/api/auth/me")

    last_seen_at = db.scalars(select(UserSession.last_seen_at)).one()
    assert (last_seen_at > before) is noted
