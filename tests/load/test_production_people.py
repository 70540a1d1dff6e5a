"""Production in a browser: one origin, and what is killed comes back by itself."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests import people
from tests.chromium import chromium, desktop_context, submit_sign_in
from tests.load.websocket import connect_tab, receive, request_page
from tests.production import Production, killed
from tests.waiting import wait_for

pytestmark = pytest.mark.production


@pytest.fixture(scope="module")
def page(production: Production) -> Iterator[Page]:
    # The certificate is tested with other clients.
    with chromium() as browser:
        context = desktop_context(browser, trusting=True)
        context.set_default_timeout(20_000)
        yield context.new_page()


def sign_in(page: Page, production: Production) -> None:
    page.goto(f"{production.origin}/dashboard")
    if page.get_by_label("ログインID").is_visible():
        submit_sign_in(page, "yamada", people.PASSWORD)
    expect(page.get_by_text("総端末数", exact=True)).to_be_visible()


def test_a_user_signs_in_through_the_origin_and_sees_the_fleet(page: Page, production: Production) -> None:
    console_errors: list[str] = []
    page.on("console", lambda message: console_errors.append(message.text) if message.type == "error" else None)

    sign_in(page, production)

    expect(page.get_by_text(re.compile(r"^[3-9]台$")).first).to_be_visible()
    expect(page.get_by_text("顧客別状況")).to_be_visible()
    assert page.url.startswith(production.origin)
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    for name in ("genba_session", "genba_place"):
        assert cookies[name]["secure"], name
        assert cookies[name]["httpOnly"], name
    assert console_errors == [], console_errors


def test_the_page_comes_back_by_itself_when_its_dashboards_are_killed(page: Page, production: Production) -> None:
    sign_in(page, production)
    updated = page.get_by_text(re.compile(r"最終更新 \d"))
    for name in ("dashboards", "dashboards-2"):
        with killed(production, name):
            for _ in range(2):
                text_before = updated.first.inner_text()
                expect(updated.first).not_to_have_text(text_before, timeout=90_000)
        expect(page.get_by_text("総端末数", exact=True)).to_be_visible()


@dataclass
class StreamlitTab:
    """A browser tab without a browser: a Streamlit session in one of the processes."""

    http: httpx2.Client
    origin: str
    session: str

    def upload(self, http: httpx2.Client) -> int:
        """The status of an upload with the cookies of that client."""
        token = self.http.cookies.get("_streamlit_xsrf") or ""
        return http.put(
            f"/_stcore/upload_file/{self.session}/{uuid.uuid4()}",
            files={"file": ("写真.png", b"x" * 300_000)},
            headers={"X-Xsrftoken": token, "Origin": self.origin},
        ).status_code


@contextmanager
def open_tab(production: Production) -> Iterator[StreamlitTab]:
    with production.http() as http:
        response = http.post(
            "/login",
            data={"login_id": "yamada", "password": people.PASSWORD},
            headers={"Origin": production.origin},
        )
        assert response.status_code == 303
        http.get("/_stcore/health")
        with connect_tab(production.origin, http.cookies, production.trusted) as socket:
            request_page(socket)
            message = receive(socket)
            while not message.HasField("new_session"):
                message = receive(socket)
            session = message.new_session.initialize.session_id
            yield StreamlitTab(http, production.origin, session)


def test_uploads_reach_the_dashboards_of_the_page(production: Production) -> None:
    for _ in range(3):
        with open_tab(production) as streamlit_tab:
            assert [streamlit_tab.upload(streamlit_tab.http) for _ in range(4)] == [204] * 4


def test_without_the_cookie_uploads_reach_the_other_dashboards(production: Production) -> None:
    """The reason for the cookie: the other process does not know the page."""
    with open_tab(production) as streamlit_tab, production.http() as http:
        statuses: set[int] = set()

        def reached_both() -> bool:
            http.cookies.clear()
            for name, value in streamlit_tab.http.cookies.items():
                if name != "genba_place":
                    http.cookies.set(name, value)
            statuses.add(streamlit_tab.upload(http))
            return statuses >= {204, 400}

        wait_for(reached_both, f"only {statuses}")
