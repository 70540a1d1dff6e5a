"""What each of these tests looks at when it is over, and how things come back."""

from __future__ import annotations

from datetime import datetime

from playwright.sync_api import Page, expect

from tests.browser.relay import Relay
from tests.browser.stations import (
    Door,
    made,
)
from tests.conftest import Service, own_database
from tests.processes import Forked, await_ok

DATABASE = own_database("genba_station")


def begin_again(own: Service) -> None:
    assert isinstance(own.process, Forked)
    own.process = Forked(own.process.module, *own.process.args, environ=own.environ)
    await_ok(f"{own.url}/api/health/live", own.process)


def come_back(relay: Relay, *pages: Page) -> None:
    """And the tablet says so to its browser, as it does when it finds its network again."""
    relay.come_back()
    for page in pages:
        page.evaluate("dispatchEvent(new Event('online'))")


def await_sent(page: Page) -> None:
    """Until the station says itself that all is well."""
    expect(page.locator("#state")).to_have_text("オンライン")
    page.wait_for_function("() => !document.querySelector('#recent .badge.waiting')")


def await_kept(page: Page, scans: int) -> None:
    page.wait_for_function("(n) => document.querySelectorAll('#recent .badge').length === n", arg=scans)


def as_scanned(remembered: list[tuple[str, str]]) -> list[tuple[str, datetime]]:
    return [(event, datetime.fromisoformat(moment)) for event, moment in remembered]


def assert_each_once(door: Door, page: Page, parents: list[int]) -> None:
    rows = door.rows()
    assert [row[0] for row in rows] == parents
    assert [(row[3], row[2]) for row in rows] == as_scanned(made(page)), "in order, with the scan's own time"
