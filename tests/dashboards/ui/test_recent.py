"""What a user has opened last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards.ui import preferences, recent
from service.core.access.identity import User
from service.fleet.models import Terminal
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.fleet.scene import fill_morning
from tests.people import create_user

PUT = "PUT /api/me/preferences/recent"


@pytest.fixture
def olivia(db: Session) -> User:
    fill_morning(db)
    olivia = create_user(db, "olivia", fleet="operator")
    db.commit()
    return olivia


def stored(page: AppTest) -> Any:
    cached = preferences._cache.get(page.session_state["test.token"])
    return cached and cached.values["recent"]


def opened(page: AppTest) -> list[str]:
    return [record["title"] for record in stored(page)]


def test_records_are_remembered_once_newest_first_over_sessions(
    db: Session, open_page: Callable[..., AppTest], olivia: User, network: Network
) -> None:
    first, second = db.scalars(select(Terminal.id).order_by(Terminal.serial_number).limit(2))
    page = open_page(olivia, "terminal", id=str(first))
    assert stored(page) == [{"title": "端末 TC200-000001", "address": f"/terminal?id={first}"}]

    open_address(open_address(page, "terminal", id=str(first)), "terminals")
    assert network.calls.count(PUT) == 1, "not at every run"

    page = open_page(olivia, "terminal", id=str(second))
    open_address(page, "terminal", id=str(first))
    assert opened(page) == ["端末 TC200-000001", "端末 TC200-000002"]
    assert network.calls.count(PUT) == 3
    assert not page.exception


def test_only_so_many_are_remembered(
    db: Session, open_page: Callable[..., AppTest], olivia: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "MAX_RECORDS", 2)
    page = open_page(olivia, "terminals")

    for terminal_id in db.scalars(select(Terminal.id).order_by(Terminal.serial_number).limit(3)).all():
        open_address(page, "terminal", id=str(terminal_id))

    assert opened(page) == ["端末 TC200-000003", "端末 TC200-000002"]
