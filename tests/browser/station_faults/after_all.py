"""What the tests of this folder check at the end, and how the service and the network come back."""

from __future__ import annotations

from datetime import datetime

from playwright.sync_api import Page, expect

from tests.browser.relay import Relay
from tests.browser.stations import NurseryStation, remembered_scans
from tests.conftest import Service, worker_database_name
from tests.processes import ForkedProcess, wait_until_ok

DATABASE = worker_database_name("genba_station")


def restart_service(service: Service) -> None:
    assert isinstance(service.process, ForkedProcess)
    service.process = ForkedProcess(service.process.module, *service.process.args, environ=service.environ)
    wait_until_ok(f"{service.url}/api/health/live", service.process)


def reconnect(relay: Relay, *pages: Page) -> None:
    """Reconnects and fires the browser's `online` event, as a tablet does when its network is back."""
    relay.come_back()
    for page in pages:
        page.evaluate("dispatchEvent(new Event('online'))")


def await_all_sent(page: Page) -> None:
    """Waits until the station shows that everything was sent."""
    expect(page.locator("#state")).to_have_text("オンライン")
    page.wait_for_function("() => !document.querySelector('#recent .badge.waiting')")


def await_stored(page: Page, scans: int) -> None:
    page.wait_for_function("(n) => document.querySelectorAll('#recent .badge').length === n", arg=scans)


def with_times(scans: list[tuple[str, str]]) -> list[tuple[str, datetime]]:
    return [(event_id, datetime.fromisoformat(time)) for event_id, time in scans]


def assert_each_stored_once(station: NurseryStation, page: Page, parents: list[int]) -> None:
    rows = station.rows()
    assert [row[0] for row in rows] == parents
    assert [(row[3], row[2]) for row in rows] == with_times(remembered_scans(page)), (
        "in order, with the scan's own time"
    )
