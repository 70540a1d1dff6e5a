"""The whole product as `make up` runs it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.conftest import RESULTS, screenshot_on_failure
from tests.chromium import DESKTOP, desktop_context
from tests.stack import Stack, running_stack


@pytest.fixture(scope="package")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    with running_stack() as started:
        yield started
        if request.session.testsfailed:
            shutil.copytree(started.home.logs, RESULTS / "logs", dirs_exist_ok=True)


@pytest.fixture(scope="package")
def tab(chromium: Browser) -> Iterator[Page]:
    """One tab for all tests: a new tab compiles all of Streamlit again, which takes longer than drawing a page."""
    started = desktop_context(chromium)
    yield started.new_page()
    started.close()


@pytest.fixture
def context(tab: Page) -> Iterator[BrowserContext]:
    """Empty at the end of each test, like a new context."""
    yield tab.context
    for extra_page in tab.context.pages[1:]:
        extra_page.close()
    if tab.url.startswith("http"):
        tab.evaluate("{ localStorage.clear(); sessionStorage.clear() }")
    tab.unroute_all()
    tab.goto("about:blank")
    tab.set_viewport_size(DESKTOP)
    tab.context.clear_cookies()
    tab.context.clear_permissions()


@pytest.fixture
def page(context: BrowserContext, tab: Page, request: pytest.FixtureRequest) -> Iterator[Page]:
    yield from screenshot_on_failure(tab, request)
