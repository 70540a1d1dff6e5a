"""Rows of `make bench` about pages: how long a person waits for each page of the menu, in a real Chromium."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from playwright.sync_api import Browser, BrowserContext, Page, StorageState

from tests.chromium import at_a_desk, chromium, sign_in
from tests.stack import Stack

TIMES, COLD_TIMES = 7, 3
# Everything is there once the page's script has ended, something stands on the page, and nothing in it still waits for
# its rows, its program or its picture; in sight are at least as many pictures as the page has for certain. Answers with
# the moment, in ms since the navigation began.
COMPLETE = """(pictures) => {
    const app = document.querySelector("[data-testid=stApp]");
    const main = document.querySelector("[data-testid=stMain]");
    if (!app || !main || app.dataset.testScriptState !== "notRunning") return false;
    if (main.querySelector("[data-testid=stSkeleton], [data-testid=stSpinner], [data-stale=true]")) return false;
    // What lies in a closed expander has its place and nothing to be seen.
    const blocks = [...main.querySelectorAll("[data-testid=stElementContainer]")].filter(
        (one) => one.offsetHeight > 0 && one.checkVisibility());
    const last = blocks.at(-1);
    // Components draw theirs behind a border of their own.
    const within = (root) => [...root.querySelectorAll("*")].flatMap((one) =>
        one.matches("img") ? [one] : one.shadowRoot ? within(one.shadowRoot) : []);
    const drawn = "canvas, svg, img, iframe, input";
    if (!last || !last.innerText.trim() && !last.querySelector(drawn) && !within(last).length) return false;
    const inSight = (one) => {
        const { top, bottom, width } = one.getBoundingClientRect();
        return top < window.innerHeight && bottom > 0 && width > 0;
    };
    const images = within(main);
    if (images.some((one) => !one.complete && (one.loading !== "lazy" || inSight(one)))) return false;
    if (images.filter((one) => one.naturalWidth > 0 && inSight(one)).length < pictures) return false;
    return performance.now();
}"""
LINKS = "links => links.map(link => [link.innerText.trim().split('\\n').at(-1), link.href])"


@dataclass(frozen=True)
class Wait:
    """Seconds from the navigation to the last block; `cold` is the median of browsers that were never there."""

    title: str
    median: float
    worst: float
    cold: float


@dataclass(frozen=True)
class Place:
    """A page by its address; at least so many `pictures` are in sight once it is there."""

    title: str
    address: str
    pictures: int = 0


def waits(stack: Stack, beside: Mapping[str, str]) -> list[Wait]:
    """Every page of the menu of whoever sees all of it, and those `beside` (title and path), by its address, as after
    F5: the hardest way to get there."""
    with chromium() as browser:
        desk = at_a_desk(browser)
        page = desk.new_page()
        sign_in(page, stack, "admin")
        menu = page.get_by_test_id("stSidebarNavLink")
        menu.first.wait_for()
        addresses: dict[str, str] = dict(menu.evaluate_all(LINKS))
        page.close()
        addresses |= {title: f"{stack.dashboards}{path}" for title, path in beside.items()}
        return measured(browser, desk, [Place(title, address) for title, address in addresses.items()])


def measured(browser: Browser, desk: BrowserContext, places: Iterable[Place]) -> list[Wait]:
    """Of the person whose session the `desk` has."""
    page, cookies = desk.new_page(), desk.storage_state()
    return [_measured(page, browser, cookies, place) for place in places]


def _measured(page: Page, browser: Browser, cookies: StorageState, place: Place) -> Wait:
    cold = [_cold(browser, cookies, place) for _ in range(COLD_TIMES)]
    _opened(page, place)
    seconds = [_opened(page, place) for _ in range(TIMES)]
    return Wait(place.title, statistics.median(seconds), max(seconds), statistics.median(cold))


def _cold(browser: Browser, cookies: StorageState, place: Place) -> float:
    """In a fresh profile that has nothing but the session."""
    fresh = at_a_desk(browser, cookies)
    seconds = _opened(fresh.new_page(), place)
    fresh.close()
    return seconds


def _opened(page: Page, place: Place) -> float:
    page.goto(place.address, wait_until="commit")
    milliseconds: float = page.wait_for_function(COMPLETE, arg=place.pictures).json_value()
    return milliseconds / 1000


def lines(found: list[Wait]) -> list[str]:
    return [
        "| page in Chromium by its address | warm, median s | warm, worst s | cold s |",
        "| --- | ---: | ---: | ---: |",
        *(f"| {one.title} | {one.median:.2f} | {one.worst:.2f} | {one.cold:.2f} |" for one in found),
    ]
