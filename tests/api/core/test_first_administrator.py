"""The first administrator of an installation: created on the server, and reset there when no other administrator
can."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core.access.identity import User
from service.core.audit import MASK, AuditEntry
from service.core.database.clock import real_now
from service.core.users.__main__ import main
from stack import programs
from stack.__main__ import users
from stack.home import Home
from tests.people import PASSWORD, create_user

CREATE = ["create", "--login-id", "t.yamada", "--name", "山田 太郎", "--area", "fleet"]


def test_the_first_administrator_can_sign_in_and_there_is_no_second(
    client: TestClient, db: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(CREATE) == 0
    password = capsys.readouterr().out.split()[-1]

    answer = client.post("/api/auth/login", json={"login_id": "t.yamada", "password": password})
    assert answer.json()["user"]["must_change_password"] is True
    assert answer.json()["user"]["areas"] == [{"area": "fleet", "role": "admin"}]
    assert db.scalars(select(AuditEntry.actor).where(AuditEntry.action == "create")).one() == "command line"
    assert main(CREATE) == 1
    assert "ユーザー管理" in capsys.readouterr().err


def test_an_existing_user_keeps_the_password(
    client: TestClient, db: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    create_user(db, "t.yamada", fleet="viewer")
    db.commit()

    assert main(CREATE) == 0

    assert "keeps the password" in capsys.readouterr().out
    answer = client.post("/api/auth/login", json={"login_id": "t.yamada", "password": PASSWORD})
    assert answer.json()["user"]["areas"] == [{"area": "fleet", "role": "admin"}]


def test_the_only_administrator_gets_a_new_password_when_it_expired(
    client: TestClient, db: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    main(CREATE)
    first = capsys.readouterr().out.split()[-1]
    db.execute(update(User).values(one_time_until=real_now() - timedelta(minutes=1)))
    db.commit()
    assert client.post("/api/auth/login", json={"login_id": "t.yamada", "password": first}).status_code == 403

    assert main(["reset", "--login-id", "t.yamada"]) == 0

    password = capsys.readouterr().out.split()[-1]
    assert client.post("/api/auth/login", json={"login_id": "t.yamada", "password": first}).status_code == 401
    answer = client.post("/api/auth/login", json={"login_id": "t.yamada", "password": password})
    assert answer.json()["user"]["must_change_password"] is True
    entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "update", AuditEntry.area == "fleet")).one()
    assert (entry.actor, entry.subject, entry.after) == (
        "command line",
        "user",
        {"password": MASK, "sessions_ended": 0},
    )


def test_a_reset_ends_open_sessions_and_is_refused_for_an_inactive_user(
    sign_in: Callable[..., TestClient], db: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    alice = sign_in("alice", fleet="admin")
    assert main(["reset", "--login-id", "alice"]) == 0
    assert alice.get("/api/auth/me").status_code == 401

    db.execute(update(User).where(User.login_id == "alice").values(is_active=False))
    db.commit()
    for login_id in ("alice", "nobody"):
        assert main(["reset", "--login-id", login_id]) == 1
        assert login_id in capsys.readouterr().err


def test_the_stacks_command_finds_the_database_in_the_settings_file(
    db: Session, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(f"DATABASE_URL={os.environ['DATABASE_URL']}\n")
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setattr(programs, "ROOT", tmp_path)

    assert users(Home(tmp_path), ["reset", "--login-id", "nobody"]) == 1

    assert "Nobody signs in as nobody" in capfd.readouterr().err
