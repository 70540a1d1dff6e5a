"""Rate limits by source: of requests to public routes, and of refusals."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import pytest
from anyio.from_thread import BlockingPortal
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from dashboards.client import signed_address_header
from service.core.http import rate_limits
from service.core.settings import settings
from service.reservations.assistants import mcp
from service.reservations.assistants.actions import MCP_PATH
from tests import people
from tests.whole import service_app

MAX_REQUESTS = 12
_minutes = itertools.count()
BrowserFrom = Callable[[str], TestClient]


@pytest.fixture
def browser_from(db: Session, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch) -> BrowserFrom:
    """browser_from("198.51.100.7") → a browser at that address, in front of a service with low rate limits, in one
    minute of this test's own: no request has been counted yet."""
    now = 1_800_000_030.0 + 120 * next(_minutes)
    monkeypatch.setattr(settings(), "public_requests_per_minute", MAX_REQUESTS)
    monkeypatch.setattr(settings(), "refusals_per_minute", MAX_REQUESTS)
    monkeypatch.setattr(time, "time", lambda: now)

    def open_browser(address: str) -> TestClient:
        browser = TestClient(service_app(), raise_server_exceptions=False, client=(address, 50000))
        browser.portal = portal
        return browser

    return open_browser


def statuses(browser: TestClient, path: str, times: int = MAX_REQUESTS + 3) -> list[int]:
    return [browser.get(path).status_code for _ in range(times)]


def test_public_pages_have_a_rate_limit(browser_from: BrowserFrom, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = browser_from("198.51.100.7")

    assert statuses(browser, "/parent-card") == [200] * MAX_REQUESTS + [429] * 3
    refused = browser.get("/")
    assert refused.headers["retry-after"] == "30"
    assert refused.headers["content-security-policy"].startswith("default-src 'none'")
    assert "30秒ほど待って" in refused.text
    # Another source is not limited, and neither is this one in the next minute.
    assert browser_from("198.51.100.8").get("/parent-card").status_code == 200
    next_minute = time.time() + 31
    monkeypatch.setattr(time, "time", lambda: next_minute)
    assert browser.get("/parent-card").status_code == 200


@pytest.mark.parametrize("path", ["/parent-card", "/api/openapi.json"])
def test_a_token_that_nobody_asks_for_takes_no_request_out_of_the_limit(browser_from: BrowserFrom, path: str) -> None:
    browser = browser_from("198.51.100.7")
    browser.headers["authorization"] = "Bearer anything"

    assert statuses(browser, path)[-2:] == [429] * 2


def test_users_may_send_more_requests_than_visitors(browser_from: BrowserFrom, db: Session) -> None:
    user = people.signed_in_client(db, browser_from("198.51.100.7"), people.create_user(db, "olivia", fleet="operator"))

    assert set(statuses(user, "/api/auth/me")) == {200}


@pytest.mark.usefixtures("browser_from")
@pytest.mark.parametrize(("path", "expected"), [(MCP_PATH, {200}), (mcp.METADATA_PATH, {200, 429})])
def test_assistants_may_send_more_requests_than_those_who_read_where_to_sign_in(
    monkeypatch: pytest.MonkeyPatch, path: str, expected: set[int]
) -> None:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        scope["endpoint"] = answer
        await PlainTextResponse("ok")(scope, receive, send)

    assistants = mcp.McpApp()
    monkeypatch.setattr(assistants, "_app", answer)
    limited = rate_limits.RateLimits(assistants, "/signed")
    client = TestClient(limited, client=("198.51.100.7", 50000), headers={"Authorization": "Bearer anything"})

    assert {client.post(path).status_code for _ in range(MAX_REQUESTS + 3)} == expected


KEYED = [
    ("GET", "/api/fleet/summary", 401),
    ("GET", "/pay/AAAAAAAAAAAAAAAAAAAAAA", 404),
    ("GET", "/cancel/AAAAAAAAAAAAAAAAAAAAAA", 404),
    ("GET", "/survey/AAAAAAAAAAAAAAAAAAAAAA", 404),
    ("POST", "/api/reservations/webhooks/stripe", 403),
    ("POST", "/api/fleet/enrolments", 403),
    ("PUT", "/api/fleet/agent/token", 401),
    ("GET", "/api/entries/station/roster", 401),
    ("POST", "/api/core/probes", 401),
    ("GET", "/api/nowhere", 404),
]


@pytest.mark.parametrize(("method", "path", "refusal"), KEYED)
def test_guessing_keys_has_a_rate_limit(browser_from: BrowserFrom, method: str, path: str, refusal: int) -> None:
    browser = browser_from("2001:db8:1:2::1")
    body = {"enrolment_code": "AAAA-AAAA-AAAA-AAAA", "serial_number": "TC200-1"} if "enrol" in path else None
    headers = {"Authorization": "Bearer wrong"}

    codes = [browser.request(method, path, headers=headers, json=body).status_code for _ in range(MAX_REQUESTS + 2)]

    assert codes == [refusal] * MAX_REQUESTS + [429] * 2
    # A source with one IPv6 address has its neighbours too.
    assert browser_from("2001:db8:1:2::2").get("/api/auth/me").status_code == 429
    assert browser_from("2001:db8:1:3::1").get("/api/auth/me").status_code == 401


def test_health_checks_this_machine_and_users_of_the_dashboards_are_not_counted(
    browser_from: BrowserFrom, db: Session
) -> None:
    remote = browser_from("198.51.100.7")
    assert set(statuses(remote, "/api/auth/me")) == {401, 429}
    assert set(statuses(remote, "/api/health/live")) == {200}
    assert set(statuses(browser_from("127.0.0.1"), "/api/nowhere")) == {404}
    # Dashboards on another machine send the requests of many users.
    user = people.signed_in_client(db, browser_from("198.51.100.9"), people.create_user(db, "olivia", fleet="operator"))
    token = user.headers["authorization"].removeprefix("Bearer ")
    user.headers |= signed_address_header("203.0.113.5", token)
    assert set(statuses(user, "/api/fleet/terminals/99999999")) == {404}
    # No other program can sign like that.
    user.headers["x-genba-address"] = user.headers["x-genba-address"][:-4] + "0000"
    assert set(statuses(user, "/api/fleet/terminals/99999999")) == {404, 429}


def test_countless_sources_do_not_fill_the_memory(browser_from: BrowserFrom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "MAX_SOURCES", 2)
    for number in range(1, 6):
        assert set(statuses(browser_from(f"198.51.100.{number}"), "/parent-card")) == (
            {200, 429} if number < 3 else {200}
        )
