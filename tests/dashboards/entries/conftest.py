"""People of 入退管理 in front of their pages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

import dashboards.app as dashboards_app
from dashboards import session
from service.core.access.identity import open_session
from service.entries.models import Child, Nursery
from tests import people
from tests.api.entries.conftest import nursery
from tests.dashboards.conftest import Line

Screen = Callable[..., AppTest]


@pytest.fixture
def sakura(db: Session) -> Nursery:
    """Three children in two classes."""
    made = nursery(
        db,
        "",
        "さくら保育園",
        "ABC123",
        {"山田花子": (123456, ["山田太郎", "山田次郎"]), "佐藤太郎": (1, ["佐藤次郎"])},
    )
    for child in made_children(db, made):
        child.class_name = "うさぎ組" if child.name == "佐藤次郎" else "きりん組"
    db.commit()
    return made


@pytest.fixture
def himawari(db: Session) -> Nursery:
    return nursery(db, "", "ひまわり保育園", "HMW456", {"松本さくら": (223456, ["松本律"])})


def made_children(db: Session, of: Nursery) -> list[Child]:
    return list(db.scalars(select(Child).where(Child.nursery_id == of.id)))


@pytest.fixture
def desk(db: Session, line: Line, monkeypatch: pytest.MonkeyPatch) -> Screen:
    """desk("staff", sakura) → the frame as somebody of that nursery has it; without one she sees all."""

    def of(role: str, works_at: Nursery | None = None) -> AppTest:
        user = people.person(db, f"{role}-{works_at.code if works_at else 'all'}", entries=role)
        user.memberships[0].tenant_id = works_at.id if works_at else None
        token, _ = open_session(db, user, "testclient", timedelta(hours=1))
        db.commit()
        monkeypatch.setattr(session, "token", lambda: token)
        return AppTest.from_file(str(dashboards_app.FRAME), default_timeout=30)

    return of
