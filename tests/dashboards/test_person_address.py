"""The user's IP address: from the browser through the dashboards into the service's audit log."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from streamlit.testing.v1 import AppTest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

import dashboards.app as dashboards_app
from dashboards import client, session
from dashboards.session import BROWSER_ADDRESS_HEADER, SESSION_COOKIE
from dashboards.settings import settings
from service.core.access.identity import UserSession
from service.core.audit import AuditEntry
from service.core.http import addresses
from service.core.settings import settings as service_settings
from tests.dashboards.conftest import clear_session_cache
from tests.people import PASSWORD, create_user

BROWSER, PROXY = "203.0.113.9", "10.1.2.3"
HERE = {"origin": "http://testserver", "sec-fetch-site": "same-origin"}


def browser_at(running_app: TestClient, address: str, app: object = dashboards_app.app) -> TestClient:
    browser = TestClient(app, raise_server_exceptions=False, follow_redirects=False, client=(address, 50000))  # type: ignore[arg-type]  # any ASGI app
    browser.portal = running_app.portal
    return browser


def sign_in(browser: TestClient, login_id: str = "alice", **headers: str) -> int:
    body = {"login_id": login_id, "password": PASSWORD}
    return browser.post("/login", data=body, headers=HERE | headers).status_code


@pytest.fixture
def alice(db: Session) -> None:
    create_user(db, "alice", fleet="admin")
    db.commit()


@pytest.fixture
def restricted_addresses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(service_settings(), "mode", "production")
    monkeypatch.setattr(service_settings(), "address_lists", "fleet=203.0.113.0/24")
    addresses.closed_areas.cache_clear()
    yield
    addresses.closed_areas.cache_clear()


@pytest.mark.usefixtures("web", "alice")
def test_signing_in_and_out_records_the_browsers_address(running_app: TestClient, db: Session) -> None:
    browser = browser_at(running_app, BROWSER)

    assert sign_in(browser) == 303
    browser.get("/logout", headers=HERE)

    assert set(db.scalars(select(AuditEntry.address))) == {BROWSER}
    assert db.scalars(select(UserSession.address)).all() == [BROWSER]


@pytest.mark.usefixtures("web", "alice")
def test_behind_a_trusted_proxy_it_is_the_address_that_the_proxy_saw(running_app: TestClient, db: Session) -> None:
    behind_proxy = ProxyHeadersMiddleware(dashboards_app.app, trusted_hosts=PROXY)  # type: ignore[arg-type]  # uvicorn's own types

    sign_in(browser_at(running_app, PROXY, behind_proxy), **{"x-forwarded-for": f"198.51.100.1, {BROWSER}"})
    sign_in(browser_at(running_app, "192.0.2.66", behind_proxy), **{"x-forwarded-for": BROWSER})

    assert db.scalars(select(UserSession.address).order_by(UserSession.id)).all() == [BROWSER, "192.0.2.66"]


@pytest.mark.usefixtures("web", "alice")
def test_no_browser_can_claim_another_address(running_app: TestClient, db: Session) -> None:
    browser = browser_at(running_app, "192.0.2.66")

    sign_in(browser, **{BROWSER_ADDRESS_HEADER: BROWSER, "x-genba-address": BROWSER, "x-forwarded-for": BROWSER})

    assert db.scalars(select(UserSession.address)).all() == ["192.0.2.66"]


def test_a_write_from_a_page_records_the_browsers_address(
    screen: Callable[..., AppTest], db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page's script calls the service through `session.api`, with the header that the gate set."""
    screen("alice", fleet="admin")
    monkeypatch.setattr(
        st, "context", type("Context", (), {"headers": {BROWSER_ADDRESS_HEADER: BROWSER}, "cookies": {}})
    )

    customer = {
        "company_name": "佐々木商店",
        "contact_person": "佐々木",
        "contact_email": "s@example.com",
        "contact_phone": "03-1111-2222",
    }
    session.api().post("/api/fleet/customers", customer, idempotency_key=None)

    entry = db.scalars(select(AuditEntry).where(AuditEntry.subject == "customer")).one()
    assert (entry.actor, entry.address) == ("alice", BROWSER)


@pytest.mark.usefixtures("web", "alice", "restricted_addresses")
def test_a_user_at_another_address_reads_why_access_is_refused(running_app: TestClient) -> None:
    at_home = browser_at(running_app, "192.0.2.66")
    body = {"login_id": "alice", "password": PASSWORD}

    refused = at_home.post("/login", data=body, headers=HERE)

    assert refused.status_code == 403
    assert "お使いの場所（ネットワーク）からは利用できません" in refused.text
    assert sign_in(browser_at(running_app, BROWSER)) == 303


@pytest.mark.usefixtures("web", "alice", "restricted_addresses")
def test_a_cookie_used_at_another_address_opens_nothing(running_app: TestClient) -> None:
    office, at_home = browser_at(running_app, BROWSER), browser_at(running_app, "192.0.2.66")
    sign_in(office)
    at_home.cookies.set(SESSION_COOKIE, office.cookies[SESSION_COOKIE])

    assert office.get("/dashboard").status_code == 200
    answer = at_home.get("/dashboard")  # while the session is still cached for the office

    assert answer.status_code == 403
    assert "この場所からは利用できません" in answer.text
    clear_session_cache()
    assert office.get("/dashboard").status_code == 200


def test_without_the_secret_no_address_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.signed_address_header(BROWSER, "token")
    monkeypatch.setattr(settings(), "secret_key", settings().secret_key.__class__(""))

    assert client.signed_address_header(BROWSER, "token") == {}
