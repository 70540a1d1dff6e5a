"""A real Chromium, and screens in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from stack.home import ROOT, Home
from tests import chromium as real
from tests.conftest import Service, start_service
from tests.dashboards.dashboards import Dashboards, start
from tests.ensure_browser import browser as browser_path
from tests.processes import end

RESULTS = ROOT / "test-results"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if browser_path() is None:
        reason = "Chromium is not installed and ALLOW_NO_BROWSER=1 allows to leave the browser tests out"
        for item in items:
            if "tests/browser" in str(item.path):
                item.add_marker(pytest.mark.skip(reason=reason))


# Playwright keeps an event loop running in the main thread for as long as it lives. Meanwhile nothing else there can
# call asyncio.run: so it lives for the tests of this folder, not for the whole run.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    with real.chromium() as launched:
        yield launched


@pytest.fixture(scope="package")
def dashboards(service: Service) -> Iterator[Dashboards]:
    started = start(service.url)
    yield started
    end(started.process)


@pytest.fixture(scope="package")
def clocked(running_servers: Home) -> Iterator[Service]:
    """A service of its own, whose clock may be moved."""
    started = start_service(running_servers, "genba_customers_pages")
    yield started
    end(started.process)


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    made = real.at_a_desk(chromium)
    yield made
    made.close()


@pytest.fixture
def phone(chromium: Browser) -> Iterator[Page]:
    made = real.in_a_hand(chromium)
    yield made.new_page()
    made.close()


@pytest.fixture
def page(context: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Page]:
    yield from pictured(context.new_page(), request)


def pictured(made: Page, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A failed test leaves a picture of what the person would have seen in test-results/."""
    failed_before = request.session.testsfailed
    yield made
    if request.session.testsfailed > failed_before:
        RESULTS.mkdir(exist_ok=True)
        made.screenshot(path=RESULTS / f"{request.node.name}.png")
