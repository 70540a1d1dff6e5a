"""The service's own pages in Chromium: on a phone and at a desk, with nothing from elsewhere and nothing refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from tests.chromium import at_a_desk, in_a_hand
from tests.conftest import Service


@pytest.fixture
def visitor(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = at_a_desk(chromium) if request.param == "desk" else in_a_hand(chromium)
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
def test_a_page_fits_and_asks_nobody_else_for_anything(
    visitor: Page, service: Service, path: str, heading: str
) -> None:
    said: list[str] = []
    asked: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "404 (Not Found)" not in message.text:
            said.append(message.text)

    def note(sent: Request) -> None:
        asked.append(sent.url)

    visitor.on("console", listen)
    visitor.on("request", note)
    visitor.goto(f"{service.url}{path}")

    expect(visitor.get_by_role("heading", level=1, name=heading)).to_be_visible()
    if path == "/api/docs":
        expect(visitor.locator(".opblock-tag").first).to_be_visible()
        visitor.locator(".opblock-tag", has_text="auth").first.click()
        visitor.locator(".opblock-summary").first.click()
        expect(visitor.get_by_role("button", name="Try it out").first).to_be_visible()
    assert said == []
    assert [url for url in asked if not url.startswith((service.url, "data:"))] == []
    assert visitor.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing to scroll sideways"
