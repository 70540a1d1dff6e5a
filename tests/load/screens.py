"""How long a person waits for each page of the menu, in a real Chromium, beside what Streamlit alone takes for a table,
and for a table and a chart."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from playwright.sync_api import Browser, BrowserContext, Page, StorageState

from tests.chromium import at_a_desk, chromium, sign_in
from tests.load import bare
from tests.load.rows import Goal
from tests.stack import Stack

TIMES, COLD_TIMES = 7, 3
# After every so many pages Streamlit alone is asked again.
EVERY = 20
TABLE, CHART = "Streamlit alone: a table of 50 rows", "Streamlit alone: a table and a chart"
# The fleet's document, 画面レスポンス.
MOST_SECONDS = 3
# Times of Streamlit alone: by the address once more, and in a browser that has never been there.
MOST_WARM, MOST_COLD = 5, 4
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
    """Seconds from the navigation to the last block; `cold` is the median of browsers that were never there.
    `charted`: they had to fetch Plotly, five megabytes."""

    title: str
    median: float
    worst: float
    cold: float
    charted: bool


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
        return measured(browser, (desk, [Place(title, address) for title, address in addresses.items()]))


def measured(browser: Browser, *seen: tuple[BrowserContext, Iterable[Place]]) -> list[Wait]:
    """Pages as those see them whose sessions the desks have. Streamlit alone comes last, with the medians of what it
    took in between."""
    found: list[Wait] = []
    alone: list[Wait] = []
    with bare.page() as address:
        floor = Place(TABLE, address), Place(CHART, f"{address}?chart=1")
        for desk, places in seen:
            page, cookies = desk.new_page(), desk.storage_state()
            for place in places:
                if len(found) % EVERY == 0:
                    alone += [_measured(page, browser, cookies, one) for one in floor]
                found.append(_measured(page, browser, cookies, place))
    return [*found, *(_middle([one for one in alone if one.title == place.title]) for place in floor)]


def _middle(waits: list[Wait]) -> Wait:
    median, cold = (statistics.median(getattr(one, name) for one in waits) for name in ("median", "cold"))
    return Wait(waits[0].title, median, max(one.worst for one in waits), cold, waits[0].charted)


def _measured(page: Page, browser: Browser, cookies: StorageState, place: Place) -> Wait:
    cold = [_cold(browser, cookies, place) for _ in range(COLD_TIMES)]
    _opened(page, place)
    seconds = [_opened(page, place) for _ in range(TIMES)]
    charted = page.locator(".js-plotly-plot").count() > 0
    return Wait(place.title, statistics.median(seconds), max(seconds), statistics.median(cold), charted)


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


def goals(found: list[Wait], of: str) -> list[Goal]:
    """`of` says whose pages they are, and over how much."""
    pages, floor = ([one for one in found if (one.title in (TABLE, CHART)) is alone] for alone in (False, True))
    slowest = max(pages, key=lambda one: one.median)
    seconds = f"{slowest.title} {slowest.median:.2f} s"
    held = slowest.median < MOST_SECONDS
    return [
        Goal(f"each of {len(pages)} pages {of}, warm, under {MOST_SECONDS} s", seconds, held),
        *(goal for alone in floor for goal in _against(alone, [one for one in pages if one.charted is alone.charted])),
    ]


def _against(alone: Wait, pages: list[Wait]) -> Iterator[Goal]:
    kind = "with a chart" if alone.charted else "without a chart"

    def goal(times: float, where: str, seconds: Callable[[Wait], float]) -> Goal:
        slowest = max(pages, key=seconds)
        measured = seconds(slowest) / seconds(alone)
        said = f"{slowest.title} {measured:.1f}×, {seconds(slowest):.2f} s of {seconds(alone):.2f}"
        return Goal(f"those {kind}, {where}: at most {times:g} times Streamlit alone", said, measured <= times)

    yield goal(MOST_WARM, "warm", lambda one: one.median)
    yield goal(MOST_COLD, "in a new browser", lambda one: one.cold)
