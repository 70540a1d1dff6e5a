"""The dashboards in-process, in front of the real service on the rolled-back database of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING

import httpx2
import pytest
import streamlit as st
from anyio.from_thread import BlockingPortal
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

import dashboards.app as dashboards_app
from dashboards import client, session
from dashboards.session import COOKIE
from service.core.identity import open_session
from tests import cast
from tests.conftest import at
from tests.processes import free_port

if TYPE_CHECKING:
    from service.main import FrontDoor


@dataclass
class Deaf(httpx2.BaseTransport):
    service: TestClient

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        self.service.send(request)
        raise httpx2.ReadTimeout("the answer got lost", request=request)


@dataclass
class Line:
    """The way from the dashboards to the service: a test can read what went over it, cut it and mend it."""

    service: TestClient
    calls: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    _nowhere: httpx2.Client | None = None

    def note(self, request: httpx2.Request) -> None:
        self.calls.append(f"{request.method} {request.url.path}")
        self.references.append(request.headers["x-request-id"])

    def client(self) -> httpx2.Client:
        return self._nowhere or self.service

    def cut(self) -> None:
        """From now on the connection is refused, by a port on which nothing listens."""
        self.use(httpx2.Client(base_url=f"http://127.0.0.1:{free_port()}", trust_env=False))

    def use(self, other: httpx2.Client) -> None:
        self.mend()
        self._nowhere = other

    def lose_answers(self) -> None:
        """From now on the service does what it is asked, and nobody hears of it."""
        self.use(httpx2.Client(base_url=self.service.base_url, transport=Deaf(self.service), trust_env=False))

    def mend(self) -> None:
        if self._nowhere is not None:
            self._nowhere.close()
        self._nowhere = None


@pytest.fixture(scope="session", autouse=True)
def components_are_sought_once() -> Iterator[None]:
    """Streamlit looks for them anew for each AppTest, in the metadata of every installed package: half of a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture
def front_door(served: FrontDoor, portal: BlockingPortal) -> TestClient:
    return at(served, portal)


@pytest.fixture
def line(front_door: TestClient, db: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    made = Line(front_door)
    front_door.event_hooks = {"request": [made.note]}
    monkeypatch.setattr(client, "make_client", made.client)
    forget_sessions()
    yield made
    made.mend()
    forget_sessions()


def forget_sessions() -> None:
    """As if the seconds for which the dashboards remember an answer had passed."""
    session.sessions._known.clear()


def opened_at(page: AppTest, url_path: str, **query: str) -> AppTest:
    """As after typing the address; AppTest itself can only switch to pages that are files."""
    page._page_hash = calc_hash(url_path)
    page.context = {"url": f"http://genba.example/{url_path}"}
    page.query_params = dict(query)
    return page.run()


@pytest.fixture
def token_of(db: Session) -> Callable[..., str]:
    """token_of("alice", fleet="admin") → the token of a session of hers."""

    def opened(login_id: str, **roles: str) -> str:
        token, _ = open_session(db, cast.person(db, login_id, **roles), "testclient", timedelta(hours=1))
        db.commit()
        return token

    return opened


@pytest.fixture
def screen(line: Line, token_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """screen("alice", fleet="operator") → the frame as her browser has it, not yet opened."""

    def of(login_id: str, **roles: str) -> AppTest:
        token = token_of(login_id, **roles)
        monkeypatch.setattr(session, "token", lambda: st.session_state.get("test.token", token))
        page = AppTest.from_file(str(dashboards_app.FRAME), default_timeout=30)
        page.session_state["test.token"] = token  # Its own, also when somebody else's is opened beside it.
        return page

    return of


@pytest.fixture(scope="session")
def running() -> Iterator[TestClient]:
    """The ASGI application, started once: Streamlit allows one per process."""
    with TestClient(dashboards_app.app, raise_server_exceptions=False) as started:
        yield started


@pytest.fixture
def web(running: TestClient, line: Line) -> TestClient:
    """A browser without cookies in front of the whole application."""
    browser = TestClient(dashboards_app.app, raise_server_exceptions=False, follow_redirects=False)
    browser.portal = running.portal
    return browser


@pytest.fixture
def signed_in(web: TestClient, token_of: Callable[..., str]) -> TestClient:
    """The same browser with the cookie of an operator."""
    web.cookies.set(COOKIE, token_of("olivia", fleet="operator"))
    return web
