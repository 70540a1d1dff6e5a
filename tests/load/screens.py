"""How long each page of the menu takes in a real Chromium, compared with what Streamlit alone takes for a table, and
for a table and a chart."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from playwright.sync_api import Browser, BrowserContext, Page, StorageState, TimeoutError

from dashboards.menu import MENU
from tests.chromium import chromium, desktop_context, sign_in
from tests.load import bare
from tests.load.rows import Claim
from tests.stack import Stack

REPEATS, COLD_REPEATS = 7, 3
# After so many pages Streamlit alone is measured again.
BASELINE_INTERVAL = 20
TABLE, CHART = "Streamlit alone: a table of 50 rows", "Streamlit alone: a table and a chart"
# From the fleet's document, 画面レスポンス.
MAX_SECONDS = 3
# Multiples of Streamlit alone: opened again by the URL, and in a new browser.
MAX_WARM_RATIO, MAX_COLD_RATIO = 5, 4
MAX_LIST_RATIO = 1.5
# A page is complete when its script has ended, it has visible content, and nothing on it still waits for rows, a script
# or an image; at least `pictures` images must be in sight. Returns the time in ms since the start of the navigation.
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
    const within = (root, wanted = "img") => [...root.querySelectorAll("*")].flatMap((one) =>
        one.matches(wanted) ? [one] : one.shadowRoot ? within(one.shadowRoot, wanted) : []);
    if (within(main, ".list").some((list) => !list.querySelector("table"))) return false;
    const drawn = "canvas, svg, img, iframe, input";
    const isDrawn = (one) =>
        one.innerText.trim() || one.querySelector(drawn) || within(one, "img, table, input").length;
    if (!last || !isDrawn(last)) return false;
    const inSight = (one) => {
        const { top, bottom, width } = one.getBoundingClientRect();
        return top < window.innerHeight && bottom > 0 && width > 0;
    };
    const images = within(main);
    if (images.some((one) => !one.complete && (one.loading !== "lazy" || inSight(one)))) return false;
    if (images.filter((one) => one.naturalWidth > 0 && inSight(one)).length < pictures) return false;
    return performance.now();
}"""

# What a page that does not become complete says of itself.
STATE = """() => {
    const app = document.querySelector("[data-testid=stApp]");
    const main = document.querySelector("[data-testid=stMain]");
    const signs = "[data-testid=stSkeleton], [data-testid=stSpinner], [data-stale=true]";
    const waiting = main?.querySelectorAll(signs) ?? [];
    return {...app?.dataset, text: main?.innerText.slice(0, 200), waiting: [...waiting].map((one) => one.className)};
}"""


@dataclass(frozen=True)
class PageTime:
    """Seconds from the navigation to the last block; `cold` is the median in new browsers. `charted`: the page needs
    Plotly, five megabytes. `has_list`: one of `components/list.js`."""

    title: str
    median: float
    worst: float
    cold: float
    charted: bool
    has_list: bool


@dataclass(frozen=True)
class PageAddress:
    """A page by its URL; at least so many `pictures` are in sight when it is complete."""

    title: str
    url: str
    pictures: int = 0


def measure_menu(stack: Stack, extra_pages: Mapping[str, str]) -> list[PageTime]:
    """Every page of the menu of an administrator, and `extra_pages` (title and path), opened by URL as with F5: the
    slowest way."""
    with chromium() as browser:
        context = desktop_context(browser)
        page = context.new_page()
        sign_in(page, stack, "admin")
        page.close()
        paths = {entry.title: f"/{entry.url_path}" for entry in MENU if entry.in_menu} | dict(extra_pages)
        addresses = {title: f"{stack.dashboards}{path}" for title, path in paths.items()}
        return measure_pages(browser, (context, [PageAddress(title, address) for title, address in addresses.items()]))


def measure_pages(browser: Browser, *pages_by_context: tuple[BrowserContext, Iterable[PageAddress]]) -> list[PageTime]:
    """Measures pages in the given browser contexts. Streamlit alone comes last, with the medians of its times in
    between."""
    times: list[PageTime] = []
    baseline_times: list[PageTime] = []
    with bare.running_page() as (url, _):
        baselines = PageAddress(TABLE, url), PageAddress(CHART, f"{url}/?chart=1")
        for context, addresses in pages_by_context:
            page, cookies = context.new_page(), context.storage_state()
            for address in addresses:
                if len(times) % BASELINE_INTERVAL == 0:
                    baseline_times += [_measure(page, browser, cookies, baseline) for baseline in baselines]
                times.append(_measure(page, browser, cookies, address))
    return [
        *times,
        *(_median_time([time for time in baseline_times if time.title == baseline.title]) for baseline in baselines),
    ]


def _median_time(times: list[PageTime]) -> PageTime:
    median, cold = (statistics.median(getattr(time, name) for time in times) for name in ("median", "cold"))
    return replace(times[0], median=median, worst=max(time.worst for time in times), cold=cold)


def _measure(page: Page, browser: Browser, cookies: StorageState, address: PageAddress) -> PageTime:
    cold = [_open_cold(browser, cookies, address) for _ in range(COLD_REPEATS)]
    _open(page, address)
    seconds = [_open(page, address) for _ in range(REPEATS)]
    charted = page.locator(".js-plotly-plot").count() > 0
    has_list = page.locator(".list").count() > 0
    return PageTime(address.title, statistics.median(seconds), max(seconds), statistics.median(cold), charted, has_list)


def _open_cold(browser: Browser, cookies: StorageState, address: PageAddress) -> float:
    """In a new profile that has only the session."""
    context = desktop_context(browser, cookies)
    seconds = _open(context.new_page(), address)
    context.close()
    return seconds


def _open(page: Page, address: PageAddress) -> float:
    page.goto(address.url, wait_until="commit")
    try:
        milliseconds: float = page.wait_for_function(COMPLETE, arg=address.pictures).json_value()
    except TimeoutError as error:
        error.add_note(f"{address.title} ({page.url}) did not become complete: {page.evaluate(STATE)}")
        raise
    return milliseconds / 1000


def measure_clicks(stack: Stack) -> Claim:
    """From a click on an entry of the menu to the settled page, beside the same pages by their address."""
    entries = [entry for entry in MENU if entry.in_menu and entry.area == "fleet"]
    clicked, opened = [], []
    with chromium() as browser:
        page = desktop_context(browser).new_page()
        sign_in(page, stack, "admin")
        for entry in entries:
            address = PageAddress(entry.title, f"{stack.dashboards}/{entry.url_path}")
            opened.append(statistics.median(_open(page, address) for _ in range(REPEATS)))
        for _ in range(REPEATS):
            clicked += [_click(page, entry.title) for entry in entries]
    click, address_time = statistics.median(clicked), statistics.median(opened)
    return Claim(
        "a click on an entry of the menu to the settled page, no more than by its address",
        f"{click:.2f} s; {address_time:.2f} s by the address",
        click <= address_time,
    )


def _click(page: Page, title: str) -> float:
    link = page.get_by_test_id("stSidebar").get_by_role("link", name=re.compile(rf"^{title}(\(|$)"))
    link.wait_for()
    started_at: float = page.evaluate("performance.now()")
    link.click()
    settled = f"() => document.querySelector('h1')?.innerText === {title!r} && ({COMPLETE})(0)"
    ended_at: float = page.wait_for_function(settled).json_value()
    return (ended_at - started_at) / 1000


def table_lines(times: list[PageTime]) -> list[str]:
    return [
        "| page in Chromium by its address | warm, median s | warm, worst s | cold s |",
        "| --- | ---: | ---: | ---: |",
        *(f"| {time.title} | {time.median:.2f} | {time.worst:.2f} | {time.cold:.2f} |" for time in times),
    ]


def page_claims(times: list[PageTime], scope: str) -> list[Claim]:
    """`scope`: whose pages they are, and over how much data."""
    pages, baselines = (
        [time for time in times if (time.title in (TABLE, CHART)) is is_baseline] for is_baseline in (False, True)
    )
    slowest = max(pages, key=lambda time: time.median)
    about = f"each of {len(pages)} pages {scope}, warm,"
    lists = statistics.median(page.median for page in pages if page.has_list)
    [table] = [time for time in times if time.title == TABLE]
    return [
        Claim.at_most(MAX_LIST_RATIO, "lists, warm, the median of their pages:", lists / table.median, TABLE),
        Claim.under(MAX_SECONDS, "s", about, slowest.median, f" ({slowest.title})", digits=2),
        *(
            claim
            for baseline in baselines
            for claim in _baseline_claims(baseline, [page for page in pages if page.charted is baseline.charted])
        ),
    ]


def _baseline_claims(baseline: PageTime, pages: list[PageTime]) -> Iterator[Claim]:
    kind = "with a chart" if baseline.charted else "without a chart"

    def claim(times: float, place: str, seconds: Callable[[PageTime], float]) -> Claim:
        slowest = max(pages, key=seconds)
        measured = seconds(slowest) / seconds(baseline)
        text = f"{slowest.title} {measured:.1f}×, {seconds(slowest):.2f} s of {seconds(baseline):.2f}"
        return Claim(f"those {kind}, {place}: at most {times:g} times Streamlit alone", text, measured <= times)

    yield claim(MAX_WARM_RATIO, "warm", lambda time: time.median)
    yield claim(MAX_COLD_RATIO, "in a new browser", lambda time: time.cold)
