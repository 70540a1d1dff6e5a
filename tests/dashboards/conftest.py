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
import streamlit.config as streamlit_config
from anyio.from_thread import BlockingPortal
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner.script_cache import ScriptCache
from streamlit.testing.v1 import AppTest, app_test, local_script_runner
from streamlit.testing.v1.local_script_runner import LocalScriptRunner, require_widgets_deltas
from streamlit.util import calc_hash

import dashboards.app as dashboards_app
from dashboards import client, session
from dashboards.session import BROWSER_COOKIE, SESSION_COOKIE
from service.core.access.identity import User, open_session
from tests import people
from tests.conftest import at
from tests.processes import free_port

if TYPE_CHECKING:
    from service.main import Application


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


class Server:
    """What AppTest mocks of Streamlit's server, which it also hangs its stores on. No browser is connected to it."""

    def __init__(self, spec: object) -> None:
        pass

    def get_client(self, session_id: str) -> None:
        return None


def finished(runner: LocalScriptRunner, timeout: float) -> None:
    if runner._script_thread is not None:
        runner._script_thread.join(timeout)
    require_widgets_deltas(runner)


@pytest.fixture(scope="session", autouse=True)
def a_run_costs_what_the_page_costs() -> Iterator[None]:
    """AppTest makes each run as if it were the only one: it looks for components in the metadata of every installed
    package, compiles every page, mocks the server method by method, collects garbage and asks a thousand times a second
    for the end. Here two thousand runs follow one another, and without this half of each went there."""
    compiled = ScriptCache()
    streamlit_config.set_option("runner.postScriptGC", False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        patch.setattr(app_test, "ScriptCache", lambda: compiled)
        patch.setattr(local_script_runner, "ScriptCache", lambda: compiled)
        patch.setattr(app_test, "MagicMock", Server)
        patch.setattr(local_script_runner, "require_widgets_deltas", finished)
        yield


@pytest.fixture
def front_door(served: Application, portal: BlockingPortal) -> TestClient:
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
def token_for(db: Session) -> Callable[[User], str]:
    """token_for(alice) → the token of a session of hers."""

    def opened(user: User) -> str:
        token, _ = open_session(db, user, "testclient", timedelta(hours=1))
        db.commit()
        return token

    return opened


@pytest.fixture
def token_of(db: Session, token_for: Callable[[User], str]) -> Callable[..., str]:
    """token_of("alice", fleet="admin") → the token of a session of hers."""
    return lambda login_id, **roles: token_for(people.person(db, login_id, **roles))


@pytest.fixture
def opened(line: Line, token_for: Callable[[User], str], monkeypatch: pytest.MonkeyPatch) -> Callable[[User], AppTest]:
    """opened(alice) → the frame in a new tab of hers, not yet opened at a page."""

    def of(user: User) -> AppTest:
        token = token_for(user)
        monkeypatch.setattr(session, "token", lambda: st.session_state.get("test.token", token))
        page = AppTest.from_file(str(dashboards_app.FRAME), default_timeout=30)
        page.session_state["test.token"] = token  # Its own, also when somebody else's is opened beside it.
        return page

    return of


@pytest.fixture
def screen(db: Session, opened: Callable[[User], AppTest]) -> Callable[..., AppTest]:
    """screen("alice", fleet="operator") → the same for a person made for it."""
    return lambda login_id, **roles: opened(people.person(db, login_id, **roles))


@pytest.fixture
def open_page(opened: Callable[[User], AppTest]) -> Callable[..., AppTest]:
    """open_page(alice, "my-requests", status="working") → the page in a tab of hers: a new one, as after F5."""
    return lambda user, url_path, **query: opened_at(opened(user), url_path, **query)


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
    web.cookies.set(SESSION_COOKIE, token_of("olivia", fleet="operator"))
    web.cookies.set(BROWSER_COOKIE, "this-one")
    return web
