"""A real Chromium, and what a person does in it first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx2
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, ViewportSize, expect, sync_playwright

from dashboards.session import BROWSER_COOKIE, SESSION_COOKIE
from tests.ensure_browser import browser as browser_path
from tests.stack import Stack
from tests.waiting import wait_for

PHONE: ViewportSize = {"width": 390, "height": 844}
DESK: ViewportSize = {"width": 1440, "height": 900}
TABLET: ViewportSize = {"width": 1180, "height": 820}
# A busy machine is slow, and that is nothing that a test may fail for.
PATIENCE_MS = 60_000
expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=browser_path(),
            # Without these Chromium talks to hosts of its own accord, and as root it cannot use its sandbox. Most code
            # runs once in a test: to compile it to the quickest there is would take longer than it saves.
            args=[
                *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
                "--js-flags=--no-turbofan --no-maglev",
            ],
        )
        yield launched
        launched.close()


def at_a_desk(browser: Browser, kept: StorageState | None = None, *, trusting: bool = False) -> BrowserContext:
    """A fresh profile on a desk's screen in Japan, with the cookies that were kept. `trusting`: Chromium knows the
    operating system's CAs only, not that of a test's proxy."""
    made = browser.new_context(
        locale="ja-JP",
        timezone_id="Asia/Tokyo",
        viewport=DESK,
        storage_state=kept,
        ignore_https_errors=trusting,
    )
    made.set_default_timeout(PATIENCE_MS)
    return made


def in_a_hand(browser: Browser, size: ViewportSize = PHONE, *, dots: float = 1) -> BrowserContext:
    """A fresh profile on a phone or a tablet. `dots`: of the screen to a pixel."""
    made = browser.new_context(
        locale="ja-JP",
        timezone_id="Asia/Tokyo",
        viewport=size,
        device_scale_factor=dots,
        has_touch=True,
        is_mobile=True,
    )
    made.set_default_timeout(PATIENCE_MS)
    return made


def at_a_station(
    browser: Browser, url: str, session: Mapping[str, object], *, trusting: bool = False
) -> BrowserContext:
    """A nursery's tablet that has logged in; `session`: what the service at `url` answered to that."""
    kept = json.dumps({**session, "offlineCap": 100, "skewSeconds": 0})
    state: StorageState = {
        "cookies": [],
        "origins": [{"origin": url, "localStorage": [{"name": "genba.station.session", "value": kept}]}],
    }
    return browser.new_context(
        viewport={"width": 1280, "height": 800}, storage_state=state, ignore_https_errors=trusting
    )


# It knows whom it may let in.
HAS_ROSTER = """() => import("/entry-exit-station/store.js")
  .then(({ within, done }) => within(["roster"], "readonly", (of) => done(of("roster").count())))
  .then((count) => count > 0)"""


def open_station(context: BrowserContext, url: str) -> Page:
    page = context.new_page()
    page.goto(f"{url}/entry-exit-registration")
    page.wait_for_selector("#state.online")
    wait_for(lambda: page.evaluate(HAS_ROSTER), "the station has no roster")
    return page


def await_drawn(page: Page) -> None:
    """A page of the dashboards that is drawn to its end: a dialog that is closed before is opened again by the rest."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def token(stack: Stack, login_id: str) -> str:
    """Of a person who has signed in, to be carried by tests that are not about signing in."""
    with httpx2.Client(base_url=stack.dashboards, timeout=30, trust_env=False) as browser:
        browser.post("/login", data={"login_id": login_id, "password": "genba-demo"})
        return browser.cookies[SESSION_COOKIE]


def carry(context: BrowserContext, stack: Stack, token: str) -> None:
    cookies = {SESSION_COOKIE: token, BROWSER_COOKIE: "this-one"}
    context.add_cookies([{"name": name, "value": value, "url": stack.dashboards} for name, value in cookies.items()])


def sign_in(page: Page, stack: Stack, login_id: str = "fleet-operator") -> None:
    page.goto(stack.dashboards)
    fill_in(page, login_id)


def fill_in(page: Page, login_id: str, password: str = "genba-demo") -> None:
    """The sign-in page, wherever it was opened from."""
    page.get_by_label("ログインID").fill(login_id)
    page.get_by_label("パスワード", exact=True).fill(password)
    page.get_by_role("button", name="ログインする").click()
