"""Rows of `make bench` about pages: how long a person waits for each page of the menu, in a real Chromium."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from playwright.sync_api import Browser, Page, StorageState

from tests.chromium import at_a_desk, chromium, sign_in
from tests.stack import Stack

TIMES, COLD_TIMES = 5, 3
# Everything is there once the page's script has ended, something stands on the page, and nothing in it still waits for
# its rows, its program or its picture. Answers with the moment, in ms since the navigation began.
COMPLETE = """() => {
    const app = document.querySelector("[data-testid=stApp]");
    const main = document.querySelector("[data-testid=stMain]");
    if (!app || !main || app.dataset.testScriptState !== "notRunning") return false;
    if (main.querySelector("[data-testid=stSkeleton], [data-testid=stSpinner], [data-stale=true]")) return false;
    const blocks = [...main.querySelectorAll("[data-testid=stElementContainer]")].filter((one) => one.offsetHeight > 0);
    const last = blocks.at(-1);
    if (!last || !last.innerText.trim() && !last.querySelector("canvas, svg, img, iframe, input")) return false;
    return [...main.querySelectorAll("img")].every((one) => one.complete) && performance.now();
}"""
LINKS = "links => links.map(link => [link.innerText.trim().split('\\n').at(-1), link.href])"


@dataclass(frozen=True)
class Wait:
    """Seconds from the navigation to the last block; `cold` is the median of browsers that were never there."""

    title: str
    median: float
    worst: float
    cold: float


def waits(stack: Stack, beside: Mapping[str, str]) -> list[Wait]:
    """Every page of the menu of whoever sees all of it, and those `beside` (title and path), by its address, as after
    F5: the hardest way to get there."""
    with chromium() as browser:
        page = at_a_desk(browser).new_page()
        sign_in(page, stack, "admin")
        menu = page.get_by_test_id("stSidebarNavLink")
        menu.first.wait_for()
        addresses: dict[str, str] = dict(menu.evaluate_all(LINKS))
        addresses |= {title: f"{stack.dashboards}{path}" for title, path in beside.items()}
        cookies = page.context.storage_state()
        return [_measured(page, browser, cookies, title, address) for title, address in addresses.items()]


def _measured(page: Page, browser: Browser, cookies: StorageState, title: str, address: str) -> Wait:
    cold = [_cold(browser, cookies, address) for _ in range(COLD_TIMES)]
    _opened(page, address)
    seconds = [_opened(page, address) for _ in range(TIMES)]
    return Wait(title, statistics.median(seconds), max(seconds), statistics.median(cold))


def _cold(browser: Browser, cookies: StorageState, address: str) -> float:
    """In a fresh profile that has nothing but the session."""
    fresh = at_a_desk(browser, cookies)
    seconds = _opened(fresh.new_page(), address)
    fresh.close()
    return seconds


def _opened(page: Page, address: str) -> float:
    page.goto(address, wait_until="commit")
    milliseconds: float = page.wait_for_function(COMPLETE).json_value()
    return milliseconds / 1000


def lines(found: list[Wait]) -> list[str]:
    return [
        "| page in Chromium by its address | warm, median s | warm, worst s | cold s |",
        "| --- | ---: | ---: | ---: |",
        *(f"| {one.title} | {one.median:.2f} | {one.worst:.2f} | {one.cold:.2f} |" for one in found),
    ]
