"""What a person at a browser notices of production: one origin, and that what dies comes back by itself."""

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
from tests.chromium import at_a_desk, chromium, fill_in
from tests.load.websocket import ask, tab, told
from tests.production import Production, killed
from tests.waiting import wait_for

pytestmark = pytest.mark.production


@pytest.fixture(scope="module")
def page(production: Production) -> Iterator[Page]:
    # That the certificate is right is tested with other clients.
    with chromium() as browser:
        context = at_a_desk(browser, trusting=True)
        context.set_default_timeout(20_000)
        yield context.new_page()


def sign_in(page: Page, production: Production) -> None:
    page.goto(production.origin)
    if page.get_by_label("ログインID").is_visible():
        fill_in(page, "yamada", people.PASSWORD)
    expect(page.get_by_text("総端末数", exact=True)).to_be_visible()


def test_a_person_signs_in_through_the_origin_and_sees_the_fleet(page: Page, production: Production) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)

    sign_in(page, production)

    expect(page.get_by_text(re.compile(r"^[3-9]台$")).first).to_be_visible()
    expect(page.get_by_text("顧客別状況")).to_be_visible()
    assert page.url.startswith(production.origin)
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    for name in ("genba_session", "genba_place"):
        assert cookies[name]["secure"], name
        assert cookies[name]["httpOnly"], name
    assert said == [], said


def test_the_page_comes_back_by_itself_when_its_dashboards_are_killed(page: Page, production: Production) -> None:
    sign_in(page, production)
    updated = page.get_by_text(re.compile(r"最終更新 \d"))
    for name in ("dashboards", "dashboards-2"):
        with killed(production, name):
            for _ in range(2):
                before = updated.first.inner_text()  # it is drawn anew every 30 s
                expect(updated.first).not_to_have_text(before, timeout=90_000)
        expect(page.get_by_text("総端末数", exact=True)).to_be_visible()


@dataclass
class Tab:
    """A browser's tab without the browser: what it holds is a session of Streamlit in one of the processes."""

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
def open_tab(production: Production) -> Iterator[Tab]:
    with production.http() as http:
        answer = http.post(
            "/login",
            data={"login_id": "yamada", "password": people.PASSWORD},
            headers={"Origin": production.origin},
        )
        assert answer.status_code == 303
        http.get("/_stcore/health")
        with tab(production.origin, http.cookies, production.trusted) as socket:
            ask(socket)
            said = told(socket)
            while not said.HasField("new_session"):
                said = told(socket)
            session = said.new_session.initialize.session_id
            yield Tab(http, production.origin, session)


def test_uploads_reach_the_dashboards_that_hold_the_page(production: Production) -> None:
    for _ in range(3):
        with open_tab(production) as opened:
            assert [opened.upload(opened.http) for _ in range(4)] == [204] * 4


def test_without_the_cookie_uploads_would_meet_the_other_dashboards(production: Production) -> None:
    """What the cookie is for: the other process does not know the page."""
    with open_tab(production) as opened, production.http() as stranger:
        statuses: set[int] = set()

        def met_both() -> bool:
            stranger.cookies.clear()
            for name, value in opened.http.cookies.items():
                if name != "genba_place":
                    stranger.cookies.set(name, value)
            statuses.add(opened.upload(stranger))
            return statuses >= {204, 400}

        wait_for(met_both, f"only {statuses}")
