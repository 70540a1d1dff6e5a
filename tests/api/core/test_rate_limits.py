"""What one source may ask of what is open to everybody, and how often it may be refused."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import pytest
from anyio.from_thread import BlockingPortal
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from dashboards.client import signed_address_header
from service.core.http import rate_limits
from service.core.settings import settings
from tests import people
from tests.whole import whole

MOST = 12
_minutes = itertools.count()
Stranger = Callable[[str], TestClient]


@pytest.fixture
def stranger(db: Session, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch) -> Stranger:
    """stranger("198.51.100.7") → a browser over there, in front of a service that soon has enough, in one minute of
    this test's own: it has counted nobody yet."""
    now = 1_800_000_030.0 + 120 * next(_minutes)
    monkeypatch.setattr(settings(), "public_requests_per_minute", MOST)
    monkeypatch.setattr(settings(), "refusals_per_minute", MOST)
    monkeypatch.setattr(time, "time", lambda: now)

    def at(address: str) -> TestClient:
        made = TestClient(whole(), raise_server_exceptions=False, client=(address, 50000))
        made.portal = portal
        return made

    return at


def statuses(browser: TestClient, path: str, times: int = MOST + 3) -> list[int]:
    return [browser.get(path).status_code for _ in range(times)]


def test_pages_are_for_everybody_but_not_without_end(stranger: Stranger, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = stranger("198.51.100.7")

    assert statuses(browser, "/parent-card") == [200] * MOST + [429] * 3
    refused = browser.get("/")
    assert refused.headers["retry-after"] == "30"
    assert refused.headers["content-security-policy"].startswith("default-src 'none'")
    assert "30秒ほど待って" in refused.text
    # Somebody else is not concerned, and neither is the same one in the next minute.
    assert stranger("198.51.100.8").get("/parent-card").status_code == 200
    next_minute = time.time() + 31
    monkeypatch.setattr(time, "time", lambda: next_minute)
    assert browser.get("/parent-card").status_code == 200


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
def test_whoever_tries_keys_is_soon_answered_no_more(stranger: Stranger, method: str, path: str, refusal: int) -> None:
    browser = stranger("2001:db8:1:2::1")
    body = {"enrolment_code": "AAAA-AAAA-AAAA-AAAA", "serial_number": "TC200-1"} if "enrol" in path else None
    headers = {"Authorization": "Bearer wrong"}

    said = [browser.request(method, path, headers=headers, json=body).status_code for _ in range(MOST + 2)]

    assert said == [refusal] * MOST + [429] * 2
    # Whoever has one IPv6 address has its neighbours too.
    assert stranger("2001:db8:1:2::2").get("/api/auth/me").status_code == 429
    assert stranger("2001:db8:1:3::1").get("/api/auth/me").status_code == 401


def test_the_pulse_this_machine_and_people_behind_the_dashboards_are_not_counted(
    stranger: Stranger, db: Session
) -> None:
    away = stranger("198.51.100.7")
    assert set(statuses(away, "/api/auth/me")) == {401, 429}
    assert set(statuses(away, "/api/health/live")) == {200}
    assert set(statuses(stranger("127.0.0.1"), "/api/nowhere")) == {404}
    # The dashboards on another machine speak for many.
    person = people.signed_in(db, stranger("198.51.100.9"), people.person(db, "olivia", fleet="operator"))
    token = person.headers["authorization"].removeprefix("Bearer ")
    person.headers |= signed_address_header("203.0.113.5", token)
    assert set(statuses(person, "/api/fleet/terminals/99999999")) == {404}
    # Nobody else can sign so.
    person.headers["x-genba-address"] = person.headers["x-genba-address"][:-4] + "0000"
    assert set(statuses(person, "/api/fleet/terminals/99999999")) == {404, 429}


def test_sources_without_number_do_not_fill_the_memory(stranger: Stranger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "MAX_SOURCES", 2)
    for number in range(1, 6):
        assert set(statuses(stranger(f"198.51.100.{number}"), "/parent-card")) == ({200, 429} if number < 3 else {200})
