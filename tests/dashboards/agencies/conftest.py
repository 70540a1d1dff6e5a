"""Pages of 申込投入 as the people of two agencies, an operator and an administrator have them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest

import dashboards.app as dashboards_app
from dashboards import session
from service.core.identity import User, open_session
from tests.api.agencies import scene
from tests.api.agencies.scene import Scene
from tests.dashboards.conftest import Line, forget_sessions, opened_at

Opened = Callable[[User], AppTest]


@pytest.fixture
def team(db: Session, line: Line) -> Scene:
    return scene.scene(db, line.service)


@pytest.fixture
def opened(db: Session, line: Line, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """opened(team.alice) → the frame as her browser has it, not yet opened at a page."""

    def of(user: User) -> AppTest:
        token, _ = open_session(db, user, "testclient", timedelta(hours=1))
        db.commit()
        forget_sessions()
        monkeypatch.setattr(session, "token", lambda: token)
        return AppTest.from_file(str(dashboards_app.FRAME), default_timeout=30)

    return of


@pytest.fixture
def open_page(opened: Opened) -> Callable[..., AppTest]:
    """open_page(team.alice, "my-requests", status="working") → the page in a tab of hers: a new one, as after F5."""
    return lambda user, url_path, **query: opened_at(opened(user), url_path, **query)
