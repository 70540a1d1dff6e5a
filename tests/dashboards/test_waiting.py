"""The numbers in the menu: how much waits for a person on each page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards import menu
from dashboards.core.menu import ACCOUNT
from dashboards.waiting import Known
from service.core.clock import app_now
from service.fleet.models import Alert
from tests.dashboards.conftest import Line
from tests.dashboards.fleet.scene import a_morning

Screen = Callable[..., AppTest]


@pytest.fixture
def page(db: Session, screen: Screen, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """With a menu of one page, which AppTest can read."""
    monkeypatch.setattr(menu, "MENU", (menu.MENU[0], ACCOUNT))
    a_morning(db)
    return screen("olivia", fleet="operator").run()


def label(page: AppTest) -> str:
    assert not page.exception
    return next(link.label for link in page.sidebar.page_link if link.label.startswith("ダッシュボード"))


def a_while_later(page: AppTest) -> AppTest:
    known: Known = page.session_state["waiting.known"]
    known.until = 0.0
    return page.run()


def test_the_menu_says_how_many_alerts_wait_and_follows_them(page: AppTest, db: Session) -> None:
    waiting = len(db.scalars(select(Alert).where(Alert.resolved_at.is_(None))).all())
    assert waiting > 0
    assert label(page) == f"ダッシュボード（{waiting}）"

    db.execute(update(Alert).values(is_resolved=True, resolved_at=app_now(db)))
    db.commit()

    assert label(page.run()) == f"ダッシュボード（{waiting}）", "not asked at every click"
    assert label(a_while_later(page)) == "ダッシュボード"


def test_while_the_service_is_away_the_menu_stays_as_it_was(page: AppTest, line: Line) -> None:
    before = label(page)
    line.cut()

    assert label(a_while_later(page)) == before
