"""A real Chromium, and pages in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from stack.home import ROOT, Home
from tests import chromium as real
from tests.conftest import Service, start_service
from tests.dashboards.dashboards import Dashboards, start
from tests.ensure_browser import find_browser as browser_path
from tests.processes import stop_process

RESULTS = ROOT / "test-results"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if browser_path() is None:
        reason = "Chromium is not installed and ALLOW_NO_BROWSER=1 allows to leave the browser tests out"
        for item in items:
            if "tests/browser" in str(item.path):
                item.add_marker(pytest.mark.skip(reason=reason))


# Playwright keeps an event loop running in the main thread, where nothing else can call asyncio.run then. So it runs
# only for the tests of this folder, not for the whole test run.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with real.chromium() as launched:
        yield launched


@pytest.fixture(scope="package")
def dashboards(service: Service) -> Iterator[Dashboards]:
    started = start(service.url)
    yield started
    stop_process(started.process)


@pytest.fixture(scope="package")
def clock_service(running_servers: Home) -> Iterator[Service]:
    """A service of its own, whose clock may be moved."""
    started = start_service(running_servers, "genba_customers_pages")
    yield started
    stop_process(started.process)


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    started = real.desktop_context(chromium)
    yield started
    started.close()


@pytest.fixture
def phone(chromium: Browser) -> Iterator[Page]:
    phone_context = real.mobile_context(chromium)
    yield phone_context.new_page()
    phone_context.close()


@pytest.fixture
def page(context: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Page]:
    yield from screenshot_on_failure(context.new_page(), request)


def screenshot_on_failure(shown_page: Page, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Saves a screenshot of a failed test in test-results/."""
    failed_before = request.session.testsfailed
    yield shown_page
    if request.session.testsfailed > failed_before:
        RESULTS.mkdir(exist_ok=True)
        shown_page.screenshot(path=RESULTS / f"{request.node.name}.png")
