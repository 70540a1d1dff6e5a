"""A real Chromium: browser contexts for a desktop, a phone and a nursery's station, and how users sign in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx2
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, ViewportSize, expect, sync_playwright

from dashboards.session import BROWSER_COOKIE, SESSION_COOKIE
from tests.ensure_browser import find_browser as browser_path
from tests.stack import Stack
from tests.waiting import wait_for

PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1440, "height": 900}
TABLET: ViewportSize = {"width": 1180, "height": 820}
# Generous, because tests must not fail on a busy machine.
TIMEOUT_MS = 60_000
expect.set_options(timeout=TIMEOUT_MS)


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path(),
            # Chromium makes network requests of its own by default, and cannot use its sandbox as root. Most JavaScript
            # runs only once in a test: optimising compilation would take longer than it saves.
            args=[
                *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
                "--js-flags=--no-turbofan --no-maglev",
            ],
        )
        yield browser
        browser.close()


def desktop_context(
    browser: Browser, storage_state: StorageState | None = None, *, trusting: bool = False
) -> BrowserContext:
    """A new browser context on a desktop in Japan, with the stored cookies. `trusting`: ignore TLS errors, because
    Chromium knows the operating system's CAs only, not the CA of a test's proxy."""
    context = browser.new_context(
        locale="ja-JP",
        timezone_id="Asia/Tokyo",
        viewport=DESKTOP,
        storage_state=storage_state,
        ignore_https_errors=trusting,
    )
    context.set_default_timeout(TIMEOUT_MS)
    return context


def mobile_context(browser: Browser, size: ViewportSize = PHONE, *, dots: float = 1) -> BrowserContext:
    """A new browser context on a phone or a tablet. `dots`: device pixels to a CSS pixel."""
    context = browser.new_context(
        locale="ja-JP",
        timezone_id="Asia/Tokyo",
        viewport=size,
        device_scale_factor=dots,
        has_touch=True,
        is_mobile=True,
    )
    context.set_default_timeout(TIMEOUT_MS)
    return context


def station_context(
    browser: Browser, url: str, session: Mapping[str, object], *, trusting: bool = False
) -> BrowserContext:
    """A new browser context on a nursery's tablet that has logged in. `session`: the service's answer to the login."""
    stored_session = json.dumps({**session, "offlineCap": 100, "skewSeconds": 0})
    state: StorageState = {
        "cookies": [],
        "origins": [{"origin": url, "localStorage": [{"name": "genba.station.session", "value": stored_session}]}],
    }
    return browser.new_context(
        viewport={"width": 1280, "height": 800}, storage_state=state, ignore_https_errors=trusting
    )


# The station has the roster of the nursery in its IndexedDB.
HAS_ROSTER = """() => import("/entry-exit-station/store.js")
  .then(({ within, done }) => within(["roster"], "readonly", (of) => done(of("roster").count())))
  .then((count) => count > 0)"""


def open_station(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(f"{url}/entry-exit-registration")
    page.wait_for_selector("#state.online")
    wait_for(lambda: page.evaluate(HAS_ROSTER), "the station has no roster")
    return page


def wait_until_rendered(page: Page) -> None:
    """Wait until Streamlit has rendered the whole page: a dialog that is closed earlier is opened again by the rest of
    the run."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def get_session_token(stack: Stack, login_id: str) -> str:
    """The session token of a user who has signed in, for tests that are not about signing in."""
    with httpx2.Client(base_url=stack.dashboards, timeout=30, trust_env=False) as client:
        client.post("/login", data={"login_id": login_id, "password": "genba-demo"})
        return client.cookies[SESSION_COOKIE]


def set_session_cookies(context: BrowserContext, stack: Stack, session_token: str) -> None:
    cookies = {SESSION_COOKIE: session_token, BROWSER_COOKIE: "this-one"}
    context.add_cookies([{"name": name, "value": value, "url": stack.dashboards} for name, value in cookies.items()])


def sign_in(page: Page, stack: Stack, login_id: str = "fleet-operator", path: str = "/") -> None:
    page.goto(f"{stack.dashboards}{path}")
    submit_sign_in(page, login_id)


def submit_sign_in(page: Page, login_id: str, password: str = "genba-demo") -> None:
    """Submit the sign-in page, which is already open."""
    page.get_by_label("ログインID").fill(login_id)
    page.get_by_label("パスワード", exact=True).fill(password)
    page.get_by_role("button", name="ログインする").click()
