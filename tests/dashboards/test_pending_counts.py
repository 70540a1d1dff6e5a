"""The numbers in the menu: how many items wait for the user on each page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

from dashboards import menu, pending_counts
from dashboards.core.menu import ACCOUNT
from service.core.database.clock import app_now
from service.fleet.incidents.models import Incident
from tests.dashboards.conftest import Network, open_address
from tests.dashboards.fleet.scene import fill_morning

Screen = Callable[..., AppTest]


@pytest.fixture
def page(db: Session, screen: Screen, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """With a menu of one page, which AppTest can read."""
    alerts = next(entry for entry in menu.MENU if entry.url_path == "alerts")
    monkeypatch.setattr(menu, "MENU", (alerts, ACCOUNT))
    fill_morning(db)
    return open_address(screen("olivia", fleet="operator"), "alerts")


def label(page: AppTest) -> str:
    assert not page.exception
    return next(str(link.label) for link in page.sidebar.page_link if link.label.startswith("アラート一覧"))


def rerun_after_expiry(page: AppTest) -> AppTest:
    token = page.session_state["test.token"]
    cached = pending_counts._cache.get(token)
    assert cached is not None
    pending_counts._cache.put(token, replace(cached, expires_at=0.0))
    return page.run()


def test_the_menu_says_how_many_alerts_wait_and_follows_them(page: AppTest, db: Session) -> None:
    waiting = len(db.scalars(select(Incident).where(Incident.resolved_at.is_(None))).all())
    assert waiting > 0
    assert label(page) == f"アラート一覧({waiting})"

    db.execute(update(Incident).values(resolved_at=app_now(db), resolved_by="olivia さん"))
    db.commit()

    assert label(page.run()) == f"アラート一覧({waiting})", "not asked at every click"
    assert label(rerun_after_expiry(page)) == "アラート一覧"


def test_while_the_service_is_away_the_menu_stays_as_it_was(page: AppTest, network: Network) -> None:
    before = label(page)
    network.cut()

    assert label(rerun_after_expiry(page)) == before
