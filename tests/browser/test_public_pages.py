"""The service's public pages in Chromium: on a phone and at a desk, with nothing from other hosts and no policy
broken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from tests.chromium import desktop_context, mobile_context
from tests.conftest import Service


@pytest.fixture
def visitor(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = desktop_context(chromium) if request.param == "desk" else mobile_context(chromium)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize(
    ("visitor", "path", "heading"),
    [
        ("phone", "/", "Genba サービス"),
        ("desk", "/", "Genba サービス"),
        ("phone", "/nowhere", "見つかりません"),
        pytest.param("desk", "/api/docs", "APIの説明", marks=pytest.mark.deep),  # a document of two megabytes is drawn
    ],
    indirect=["visitor"],
)
def test_a_page_fits_and_loads_nothing_from_other_hosts(
    visitor: Page, service: Service, path: str, heading: str
) -> None:
    console_messages: list[str] = []
    urls: list[str] = []

    def record_message(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "404 (Not Found)" not in message.text:
            console_messages.append(message.text)

    def record_request(request: Request) -> None:
        urls.append(request.url)

    visitor.on("console", record_message)
    visitor.on("request", record_request)
    visitor.goto(f"{service.url}{path}")

    expect(visitor.get_by_role("heading", level=1, name=heading)).to_be_visible()
    if path == "/api/docs":
        expect(visitor.locator(".opblock-tag").first).to_be_visible()
        visitor.locator(".opblock-tag", has_text="auth").first.click()
        visitor.locator(".opblock-summary").first.click()
        expect(visitor.get_by_role("button", name="Try it out").first).to_be_visible()
    assert console_messages == []
    assert [url for url in urls if not url.startswith((service.url, "data:"))] == []
    assert visitor.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing to scroll sideways"
