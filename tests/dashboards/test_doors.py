"""Every door of the dashboards by the list of its routes, Streamlit's among them: what a foreign page cannot do with
somebody's cookie, what every answer says to the browser, and which flags a cookie has."""

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
from tests.dashboards.conftest import Line

FOREIGN = (
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://testserver:8000"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
)
# Whoever sends this would do something: signing out is a link (test_login), a download leaves a trail.
ACTING_GETS = ("/logout", "/download/api/fleet/customers.csv")
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


def routes() -> Iterator[BaseRoute]:
    built = dashboards_app.app._starlette_app
    assert built is not None
    yield from built.routes


def path_of(route: Route | WebSocketRoute) -> str:
    return re.sub(r"\{[^}]*\}", "x", route.path)


@pytest.fixture
def doors(signed_in: TestClient) -> list[str]:
    """The path of every route but websockets, each with something in the place of its parameters."""
    found = [path_of(route) for route in routes() if isinstance(route, Route)]
    assert {"/login", "/files", "/_stcore/upload_file/x/x"} <= set(found)
    return sorted({*found, "/dashboard", "/users"})


def test_nothing_that_a_foreign_page_sends_with_the_cookie_gets_past_the_gate(
    signed_in: TestClient, doors: list[str], line: Line
) -> None:
    tried = [(method, path) for path in doors for method in UNSAFE] + [("GET", path) for path in ACTING_GETS]
    for headers in FOREIGN:
        for method, path in tried:
            answer = signed_in.request(method, path, headers=headers, content=b"login_id=alice&password=x")
            # 405: an address of ours where nobody could have sent anything.
            refused = (404,) if path in CLOSED_PATHS else (403, 405)
            assert answer.status_code in refused, (method, path, headers, answer.status_code)
    # Nothing of it reached the service: who it is was all that was asked.
    assert set(line.calls) <= {"GET /api/auth/me"}


def test_the_same_from_our_own_page_is_not_refused_for_that(signed_in: TestClient, doors: list[str]) -> None:
    """Or the test above would prove nothing."""
    ours = {"origin": "http://testserver", "sec-fetch-site": "same-origin", "x-requested-with": "genba"}
    said = {path: signed_in.put(path, headers=ours, content=b"x").status_code for path in doors}

    assert said["/files"] == 503  # on its way to a service that is not there
    # Streamlit asks for a proof of its own, as well.
    assert [path for path, status in said.items() if status == 403] == ["/_stcore/upload_file/x/x"]


def test_every_websocket_refuses_a_foreign_page(signed_in: TestClient) -> None:
    sockets = [path_of(route) for route in routes() if isinstance(route, WebSocketRoute)]
    assert sockets
    for path in sockets:
        for headers in FOREIGN:
            with pytest.raises(WebSocketDisconnect), signed_in.websocket_connect(path, headers=dict(headers)):
                pass


def test_every_answer_tells_the_browser_what_it_may_do(
    web: TestClient, signed_in: TestClient, doors: list[str]
) -> None:
    stranger = TestClient(dashboards_app.app, raise_server_exceptions=False, follow_redirects=False)
    stranger.portal = web.portal
    for browser in (stranger, signed_in):
        for path in (*doors, "/nowhere", "/_stcore/health", "/app/static/ja.js"):
            if path != "/logout":
                answer = browser.get(path)
                assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, (path, answer.status_code)
    assert "frame-ancestors 'none'" in HEADERS["Content-Security-Policy"]
    assert "script-src 'self';" in HEADERS["Content-Security-Policy"]


def test_every_cookie_is_secure_and_stays_with_its_site(
    signed_in: TestClient, doors: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streamlit's own is read by its scripts, which show it as their proof: the one that is not HttpOnly."""
    monkeypatch.setattr(settings(), "session_cookie_secure", True)
    seen = {}
    for path in doors:
        for cookie in signed_in.get(path).headers.get_list("set-cookie"):
            name, _, flags = cookie.partition("=")
            given = {part.strip().lower() for part in flags.split(";")[1:]}
            seen[name] = given
            assert "secure" in given, cookie
            assert {"samesite=lax", "samesite=strict"} & given, cookie
            assert "httponly" in given or name == "_streamlit_xsrf", cookie
    assert {SESSION_COOKIE, "_streamlit_xsrf"} <= seen.keys()  # signing out clears the first


def test_no_more_of_the_sign_in_form_is_read_than_it_can_hold(web: TestClient, line: Line) -> None:
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
    assert line.calls == []
