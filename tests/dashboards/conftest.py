"""The dashboards in-process, in front of the real service, on the database of the test, which is rolled back."""

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
from dashboards import client, menu, pending_counts, session
from dashboards.session import BROWSER_COOKIE, SESSION_COOKIE
from dashboards.ui import cache as options_cache
from dashboards.ui import preferences
from service.core.access.identity import User, open_session
from tests import people
from tests.conftest import new_client
from tests.processes import free_port

if TYPE_CHECKING:
    from service.main import Application


@dataclass
class LostResponseTransport(httpx2.BaseTransport):
    service: TestClient

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()
        self.service.send(request)
        raise httpx2.ReadTimeout("the answer got lost", request=request)


@dataclass
class Network:
    """The network between the dashboards and the service. A test can read the requests, cut the connection and
    restore it."""

    service: TestClient
    calls: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    _replacement: httpx2.Client | None = None

    def record_request(self, request: httpx2.Request) -> None:
        self.calls.append(f"{request.method} {request.url.path}")
        self.references.append(request.headers["x-request-id"])

    def client(self) -> httpx2.Client:
        return self._replacement or self.service

    def cut(self) -> None:
        """From now on connections are refused: nothing listens on the port."""
        self.use(httpx2.Client(base_url=f"http://127.0.0.1:{free_port()}", trust_env=False))

    def use(self, replacement: httpx2.Client) -> None:
        self.restore()
        self._replacement = replacement

    def lose_answers(self) -> None:
        """From now on the service handles requests, but its responses never arrive."""
        self.use(
            httpx2.Client(
                base_url=self.service.base_url, transport=LostResponseTransport(self.service), trust_env=False
            )
        )

    def restore(self) -> None:
        if self._replacement is not None:
            self._replacement.close()
        self._replacement = None


class StubServer:
    """Replaces AppTest's mock of Streamlit's server, which also holds AppTest's stores. No browser is connected."""

    def __init__(self, spec: object) -> None:
        pass

    def get_client(self, session_id: str) -> None:
        return None


def wait_until_finished(runner: LocalScriptRunner, timeout: float) -> None:
    if runner._script_thread is not None:
        runner._script_thread.join(timeout)
    require_widgets_deltas(runner)


@pytest.fixture(scope="session", autouse=True)
def fast_app_tests() -> Iterator[None]:
    """AppTest treats each run as the only one: it searches the metadata of every installed package for components,
    compiles every page, mocks the server method by method, collects garbage and polls for the end a thousand times a
    second. There are two thousand runs here, and this took half of their time."""
    compiled = ScriptCache()
    streamlit_config.set_option("runner.postScriptGC", False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests))
        patch.setattr(app_test, "ScriptCache", lambda: compiled)
        patch.setattr(local_script_runner, "ScriptCache", lambda: compiled)
        patch.setattr(app_test, "MagicMock", StubServer)
        patch.setattr(local_script_runner, "require_widgets_deltas", wait_until_finished)
        yield


@pytest.fixture
def service_client(served: Application, portal: BlockingPortal) -> TestClient:
    return new_client(served, portal)


@pytest.fixture
def network(service_client: TestClient, db: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    network = Network(service_client)
    service_client.event_hooks = {"request": [network.record_request]}
    monkeypatch.setattr(client, "make_client", network.client)
    clear_caches()
    yield network
    network.restore()
    clear_caches()


def clear_caches() -> None:
    """Empties what this process remembers of sessions."""
    clear_session_cache()
    for remembered in (pending_counts._cache, preferences._cache, options_cache._options):
        remembered.clear()


def clear_session_cache() -> None:
    """Empties the session cache, as if its seconds had passed."""
    session.sessions._cache.clear()


def open_address(page: AppTest, url_path: str, **query: str) -> AppTest:
    """As if the address were typed. AppTest itself can only switch to pages that are files, and at an address without a
    page Streamlit opens the start page."""
    if url_path not in {"start", *(entry.url_path for entry in menu.MENU)}:
        raise ValueError(f"no page has the address /{url_path}: it stands in dashboards/<area>/menu.py")
    page._page_hash = calc_hash(url_path)
    page.context = {"url": f"http://genba.example/{url_path}"}
    page.query_params = dict(query)
    return page.run()


@pytest.fixture
def token_for(db: Session) -> Callable[[User], str]:
    """token_for(alice) → the token of a new session of alice."""

    def create_token(user: User) -> str:
        token, _ = open_session(db, user, "testclient", timedelta(hours=1))
        db.commit()
        return token

    return create_token


@pytest.fixture
def token_of(db: Session, token_for: Callable[[User], str]) -> Callable[..., str]:
    """token_of("alice", fleet="admin") → the token of a session of a new user."""
    return lambda login_id, **roles: token_for(people.create_user(db, login_id, **roles))


@pytest.fixture
def open_tab(
    network: Network, token_for: Callable[[User], str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[User], AppTest]:
    """open_tab(alice) → the frame in a new tab of alice, not opened at a page yet."""

    def open_for(user: User) -> AppTest:
        token = token_for(user)
        monkeypatch.setattr(session, "token", lambda: st.session_state.get("test.token", token))
        page = AppTest.from_file(str(dashboards_app.FRAME), default_timeout=30)
        page.session_state["test.token"] = token  # The tab keeps its own token when another user's tab is opened.
        return page

    return open_for


@pytest.fixture
def screen(db: Session, open_tab: Callable[[User], AppTest]) -> Callable[..., AppTest]:
    """screen("alice", fleet="operator") → the frame in a new tab of a new user with that role."""
    return lambda login_id, **roles: open_tab(people.create_user(db, login_id, **roles))


@pytest.fixture
def open_page(open_tab: Callable[[User], AppTest]) -> Callable[..., AppTest]:
    """open_page(alice, "my-requests", status="working") → the page in a new tab of alice, as after F5."""
    return lambda user, url_path, **query: open_address(open_tab(user), url_path, **query)


@pytest.fixture(scope="session")
def running_app() -> Iterator[TestClient]:
    """The ASGI application, started once: Streamlit allows one per process."""
    with TestClient(dashboards_app.app, raise_server_exceptions=False) as started:
        yield started


@pytest.fixture
def web(running_app: TestClient, network: Network) -> TestClient:
    """A browser without cookies in front of the whole application."""
    browser = TestClient(dashboards_app.app, raise_server_exceptions=False, follow_redirects=False)
    browser.portal = running_app.portal
    return browser


@pytest.fixture
def signed_in(web: TestClient, token_of: Callable[..., str]) -> TestClient:
    """The same browser with the cookie of an operator."""
    web.cookies.set(SESSION_COOKIE, token_of("olivia", fleet="operator"))
    web.cookies.set(BROWSER_COOKIE, "this-one")
    return web
