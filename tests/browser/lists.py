"""What a user does with a list in the browser."""

from __future__ import annotations

from playwright.sync_api import Locator, Page


def shown_list(page: Page | Locator, index: int = 0) -> Locator:
    return page.locator(".list").nth(index)


def row(page: Page | Locator, number: int = 0) -> Locator:
    """A row of the first list."""
    return shown_list(page).locator("tbody tr").nth(number)


def open_row(page: Page, number: int = 0) -> Locator:
    """The drawer that a click on the row's first cell opens."""
    row(page, number).locator("th").click()
    return page.get_by_role("dialog")
