"""The whole product as `make up` runs it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.conftest import RESULTS, pictured
from tests.chromium import DESK, at_a_desk
from tests.stack import Stack, running_stack


@pytest.fixture(scope="package")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    with running_stack() as running:
        yield running
        if request.session.testsfailed:
            shutil.copytree(running.home.logs, RESULTS / "logs", dirs_exist_ok=True)


@pytest.fixture(scope="package")
def tab(chromium: Browser) -> Iterator[Page]:
    """One for all: a new one compiles all of Streamlit again, which takes longer than to draw a page."""
    made = at_a_desk(chromium)
    yield made.new_page()
    made.close()


@pytest.fixture
def context(tab: Page) -> Iterator[BrowserContext]:
    """Empty at the end of each test, as a new one is."""
    yield tab.context
    for other in tab.context.pages[1:]:
        other.close()
    if tab.url.startswith("http"):
        tab.evaluate("{ localStorage.clear(); sessionStorage.clear() }")
    tab.unroute_all()
    tab.goto("about:blank")
    tab.set_viewport_size(DESK)
    tab.context.clear_cookies()
    tab.context.clear_permissions()


@pytest.fixture
def page(context: BrowserContext, tab: Page, request: pytest.FixtureRequest) -> Iterator[Page]:
    yield from pictured(tab, request)
