"""A real Chromium, and what a person does in it first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, sync_playwright

from dashboards.session import COOKIE
from tests.ensure_browser import browser as browser_path
from tests.stack import Stack


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=browser_path(),
            # Without these Chromium talks to hosts of its own accord, and as root it cannot use its sandbox.
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        yield launched
        launched.close()


def at_a_desk(browser: Browser, kept: StorageState | None = None, *, trusting: bool = False) -> BrowserContext:
    """A fresh profile on a desk's screen in Japan, with the cookies that were kept. `trusting`: Chromium knows the
    operating system's CAs only, not that of a test's proxy."""
    return browser.new_context(
        locale="ja-JP",
        timezone_id="Asia/Tokyo",
        viewport={"width": 1440, "height": 900},
        storage_state=kept,
        ignore_https_errors=trusting,
    )


def token(stack: Stack, login_id: str) -> str:
    """Of a person who has signed in, to be carried by tests that are not about signing in."""
    with httpx2.Client(base_url=stack.dashboards, timeout=30, trust_env=False) as browser:
        browser.post("/login", data={"login_id": login_id, "password": "genba-demo"})
        return browser.cookies[COOKIE]


def carry(context: BrowserContext, stack: Stack, token: str) -> None:
    context.add_cookies([{"name": COOKIE, "value": token, "url": stack.dashboards}])


def sign_in(page: Page, stack: Stack, login_id: str = "fleet-operator") -> None:
    page.goto(stack.dashboards)
    fill_in(page, login_id)


def fill_in(page: Page, login_id: str) -> None:
    """The sign-in page, wherever it was opened from."""
    page.get_by_label("ログインID").fill(login_id)
    page.get_by_label("パスワード", exact=True).fill("genba-demo")
    page.get_by_role("button", name="ログインする").click()
