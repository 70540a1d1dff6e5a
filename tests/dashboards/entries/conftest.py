"""Nurseries, and the users of 入退管理 in front of their pages."""

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
from tests.api.entries.conftest import create_nursery
from tests.dashboards.conftest import Network

Screen = Callable[..., AppTest]


@pytest.fixture
def sakura(db: Session) -> Nursery:
    """Three children in two classes."""
    new_nursery = create_nursery(
        db,
        "",
        "さくら保育園",
        "ABC123",
        {"山田花子": (123456, ["山田太郎", "山田次郎"]), "佐藤太郎": (1, ["佐藤次郎"])},
    )
    for child in children_of(db, new_nursery):
        child.class_name = "うさぎ組" if child.name == "佐藤次郎" else "きりん組"
    db.commit()
    return new_nursery


@pytest.fixture
def himawari(db: Session) -> Nursery:
    return create_nursery(db, "", "ひまわり保育園", "HMW456", {"松本さくら": (223456, ["松本律"])})


def children_of(db: Session, nursery: Nursery) -> list[Child]:
    return list(db.scalars(select(Child).where(Child.nursery_id == nursery.id)))


@pytest.fixture
def nursery_screen(db: Session, network: Network, monkeypatch: pytest.MonkeyPatch) -> Screen:
    """nursery_screen("staff", sakura) → the frame in a tab of a new user of that nursery; without a nursery the user
    sees all."""

    def open_for(role: str, works_at: Nursery | None = None) -> AppTest:
        user = people.create_user(db, f"{role}-{works_at.code if works_at else 'all'}", entries=role)
        user.memberships[0].tenant_id = works_at.id if works_at else None
        token, _ = open_session(db, user, "testclient", timedelta(hours=1))
        db.commit()
        monkeypatch.setattr(session, "token", lambda: token)
        return AppTest.from_file(str(dashboards_app.FRAME), default_timeout=30)

    return open_for
