"""Rows of `make bench` about pages: how long a person waits for each page of the menu, in a real Chromium."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from playwright.sync_api import Page

from tests.chromium import at_a_desk, chromium, sign_in
from tests.stack import Stack

TIMES = 5
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
    """Seconds from the navigation to the last block."""

    title: str
    median: float
    worst: float


def waits(stack: Stack) -> list[Wait]:
    """Every page of the menu of whoever sees all of it, by its address, as after F5: the hardest way to get there."""
    with chromium() as browser:
        page = at_a_desk(browser).new_page()
        sign_in(page, stack, "admin")
        menu = page.get_by_test_id("stSidebarNavLink")
        menu.first.wait_for()
        addresses: list[tuple[str, str]] = menu.evaluate_all(LINKS)
        return [_measured(page, title, address) for title, address in addresses]


def _measured(page: Page, title: str, address: str) -> Wait:
    _opened(page, address)
    seconds = [_opened(page, address) for _ in range(TIMES)]
    return Wait(title, statistics.median(seconds), max(seconds))


def _opened(page: Page, address: str) -> float:
    page.goto(address, wait_until="commit")
    milliseconds: float = page.wait_for_function(COMPLETE).json_value()
    return milliseconds / 1000


def lines(found: list[Wait]) -> list[str]:
    return [
        "| page in Chromium, warm, by its address | median s | worst s |",
        "| --- | ---: | ---: |",
        *(f"| {one.title} | {one.median:.2f} | {one.worst:.2f} |" for one in found),
    ]
