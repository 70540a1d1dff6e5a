"""The first administrator of an installation, made on the server."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.users.__main__ import main
from tests.cast import PASSWORD, person

ASKED = ["--login-id", "t.yamada", "--name", "山田 太郎", "--area", "fleet"]


def test_the_first_one_can_sign_in_and_there_is_no_second(
    client: TestClient, db: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(ASKED) == 0
    password = capsys.readouterr().out.split()[-1]

    answer = client.post("/api/auth/login", json={"login_id": "t.yamada", "password": password})
    assert answer.json()["user"]["must_change_password"] is True
    assert answer.json()["user"]["areas"] == [{"area": "fleet", "role": "admin"}]
    assert db.scalars(select(AuditEntry.actor).where(AuditEntry.action == "create")).one() == "command line"
    assert main(ASKED) == 1
    assert "ユーザー管理" in capsys.readouterr().err


def test_somebody_who_works_elsewhere_keeps_the_password(
    client: TestClient, db: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    person(db, "t.yamada", fleet="viewer")
    db.commit()

    assert main(ASKED) == 0

    assert "keeps the password" in capsys.readouterr().out
    answer = client.post("/api/auth/login", json={"login_id": "t.yamada", "password": PASSWORD})
    assert answer.json()["user"]["areas"] == [{"area": "fleet", "role": "admin"}]
