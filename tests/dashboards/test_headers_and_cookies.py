"""Every route of the dashboards, Streamlit's included: what a foreign page cannot do with a user's cookie, the
security headers of every answer, and the flags of every cookie."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect

import dashboards.app as dashboards_app
from dashboards.gate import CLOSED_PATHS
from dashboards.headers import HEADERS
from dashboards.session import SESSION_COOKIE
from dashboards.settings import settings
from tests.dashboards.conftest import Network

FOREIGN = (
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://testserver:8000"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
)
# GET requests with an effect: signing out is a link (test_login), a download is recorded in the audit log.
GETS_WITH_EFFECT = ("/logout", "/download/api/fleet/customers.csv")
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


def routes() -> Iterator[BaseRoute]:
    app = dashboards_app.app._starlette_app
    assert app is not None
    yield from app.routes


def path_of(route: Route | WebSocketRoute) -> str:
    return re.sub(r"\{[^}]*\}", "x", route.path)


@pytest.fixture
def route_paths(signed_in: TestClient) -> list[str]:
    """The path of every route that is not a websocket, with placeholders as parameters."""
    paths = [path_of(route) for route in routes() if isinstance(route, Route)]
    assert {"/login", "/files", "/_stcore/upload_file/x/x"} <= set(paths)
    return sorted({*paths, "/dashboard", "/users"})


def test_nothing_that_a_foreign_page_sends_with_the_cookie_gets_past_the_gate(
    signed_in: TestClient, route_paths: list[str], network: Network
) -> None:
    attempts = [(method, path) for path in route_paths for method in UNSAFE] + [
        ("GET", path) for path in GETS_WITH_EFFECT
    ]
    for headers in FOREIGN:
        for method, path in attempts:
            answer = signed_in.request(method, path, headers=headers, content=b"login_id=alice&password=x")
            # 405: a path of ours that accepts no such method.
            refused = (404,) if path in CLOSED_PATHS else (403, 405)
            assert answer.status_code in refused, (method, path, headers, answer.status_code)
    # Nothing of it reached the service: the dashboards only asked whose session it is.
    assert set(network.calls) <= {"GET /api/auth/me"}


def test_the_same_from_our_own_page_is_not_refused_for_that(signed_in: TestClient, route_paths: list[str]) -> None:
    """Without this the test above would prove nothing."""
    own_headers = {"origin": "http://testserver", "sec-fetch-site": "same-origin", "x-requested-with": "genba"}
    statuses = {path: signed_in.put(path, headers=own_headers, content=b"x").status_code for path in route_paths}

    assert statuses["/files"] == 503  # passed on to a service that is not running
    # Streamlit also requires its own XSRF token.
    assert [path for path, status in statuses.items() if status == 403] == ["/_stcore/upload_file/x/x"]


def test_every_websocket_refuses_a_foreign_page(signed_in: TestClient) -> None:
    sockets = [path_of(route) for route in routes() if isinstance(route, WebSocketRoute)]
    assert sockets
    for path in sockets:
        for headers in FOREIGN:
            with pytest.raises(WebSocketDisconnect), signed_in.websocket_connect(path, headers=dict(headers)):
                pass


def test_every_answer_tells_the_browser_what_it_may_do(
    web: TestClient, signed_in: TestClient, route_paths: list[str]
) -> None:
    anonymous = TestClient(dashboards_app.app, raise_server_exceptions=False, follow_redirects=False)
    anonymous.portal = web.portal
    for browser in (anonymous, signed_in):
        for path in (*route_paths, "/nowhere", "/_stcore/health", "/app/static/ja.js"):
            if path != "/logout":
                answer = browser.get(path)
                assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, (path, answer.status_code)
    assert "frame-ancestors 'none'" in HEADERS["Content-Security-Policy"]
    assert "script-src 'self';" in HEADERS["Content-Security-Policy"]


def test_every_cookie_is_secure_and_stays_with_its_site(
    signed_in: TestClient, route_paths: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit's scripts read its own cookie and send it as their XSRF token: only this cookie is not HttpOnly."""
    monkeypatch.setattr(settings(), "session_cookie_secure", True)
    flags_by_name = {}
    for path in route_paths:
        for cookie in signed_in.get(path).headers.get_list("set-cookie"):
            name, _, attributes = cookie.partition("=")
            flags = {part.strip().lower() for part in attributes.split(";")[1:]}
            flags_by_name[name] = flags
            assert "secure" in flags, cookie
            assert {"samesite=lax", "samesite=strict"} & flags, cookie
            assert "httponly" in flags or name == "_streamlit_xsrf", cookie
    assert {SESSION_COOKIE, "_streamlit_xsrf"} <= flags_by_name.keys()  # signing out clears the first


def test_no_more_of_the_sign_in_form_is_read_than_it_can_hold(web: TestClient, network: Network) -> None:
    sent = []

    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            sent.append(1)
            yield b"login_id=alice&password=" + b"x" * 100_000

    form = {"content-type": "application/x-www-form-urlencoded"}
    many = "&".join(f"a{number}=1" for number in range(1000))
    assert web.post("/login", content=endless(), headers=form).status_code == 422
    assert web.post("/login", content=many, headers=form).status_code == 422
    assert web.post("/login", content=b"\xff\xfe=%ff&login_id=%ff", headers=form).status_code == 422
    assert web.post("/login", files={"login_id": b"alice", "password": b"x"}).status_code == 422
    assert network.calls == []
