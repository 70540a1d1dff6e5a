"""Every list of the menu on a desk, a tablet and a phone: nothing to be scrolled sideways, a tap on a row opens it."""

from __future__ import annotations

import random

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from dashboards.menu import MENU
from tests.browser.lists import row, shown_list
from tests.chromium import get_session_token, set_session_cookies, wait_until_rendered
from tests.stack import Stack

WIDTHS = {"desk": (1440, 900), "tablet": (820, 1180), "phone": (390, 844)}
# Parts of pages that the menu does not name.
PARTS = (
    "agencies-masters?part=オプションサービス",
    "agencies-masters?part=元フィールド",
    "attendance-report?child_id=山田太郎（きりん組）",
    "terminal?id=80&view=本体・トークン",
)
# The empty one is ホーム.
PATHS = ("", *(entry.url_path for entry in MENU if entry.in_menu), *PARTS)
# What must be in sight of each list: its buttons, its states, and the page itself.
OUTSIDE = """() => {
    const lists = [...document.querySelectorAll("*")].flatMap(
        (host) => [...(host.shadowRoot?.querySelectorAll(".list") ?? [])]).filter((list) => list.checkVisibility());
    const parts = lists.flatMap((list) => [...list.querySelectorAll(".actions .first, .badge")]);
    const outside = parts.filter((part) => {
        const { left, right } = part.getBoundingClientRect();
        return left < -1 || right > innerWidth + 1;
    }).map((part) => part.textContent);
    const wide = [...document.querySelectorAll(".genba-numbers")].filter((table) => {
        const room = table.closest("[data-testid=stColumn], [data-testid=stMain]").getBoundingClientRect();
        return table.getBoundingClientRect().right > room.right + 1;
    });
    const small = parts.filter((part) => part.matches(".cards .first") && part.offsetHeight < 44);
    return {
        lists: lists.length, outside, small: small.length, wide: wide.length,
        sideways: document.querySelector("[data-testid=stMain]").scrollWidth - innerWidth,
    };
}"""


@pytest.fixture
def visitor(page: Page, context: BrowserContext, stack: Stack) -> Page:
    set_session_cookies(context, stack, get_session_token(stack, "admin"))
    return page


@pytest.mark.parametrize("count", [2, pytest.param(len(PATHS), marks=pytest.mark.deep)])
def test_every_list_fits_every_screen_and_a_tap_opens_its_row(visitor: Page, stack: Stack, count: int) -> None:
    """A different random sample in each run."""
    for path in random.sample(PATHS, count):
        for device, (width, height) in WIDTHS.items():
            visitor.set_viewport_size({"width": width, "height": height})
            visitor.goto(f"{stack.dashboards}/{path}")
            wait_until_rendered(visitor)
            shown = visitor.evaluate(OUTSIDE)
            assert shown["outside"] == [], (path, device)
            assert shown["sideways"] <= 0, (path, device)
            assert shown["small"] == 0, (path, device)
            assert shown["wide"] == 0, (path, device)
            if shown["lists"] and row(visitor).is_visible() and "opens" in (row(visitor).get_attribute("class") or ""):
                _tap_opens(visitor, path)


def _tap_opens(page: Page, path: str) -> None:
    before = page.url
    shown_list(page).locator("tbody th").first.click()
    drawer = page.get_by_role("dialog")
    expect(drawer.or_(page.locator("h1"))).not_to_have_count(0)
    page.wait_for_function(
        "before => location.href !== before || document.querySelector('[role=dialog]')", arg=before, timeout=15_000
    )
    assert page.url != before or drawer.is_visible(), path
