"""No scan is lost or duplicated: one row for each scan, in order, with the scan's own time, whatever fails."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from stack import servers
from stack.home import Home
from tests.browser.relay import Relay
from tests.browser.station_faults.after_all import (
    DATABASE,
    assert_each_stored_once,
    await_all_sent,
    await_stored,
    reconnect,
    restart_service,
    with_times,
)
from tests.browser.stations import (
    TABLET,
    NurseryStation,
    await_ready,
    await_worker,
    count_waiting,
    create_station,
    open_station,
    remembered_scans,
    scan,
    wait_until,
)
from tests.conftest import Service
from tests.ensure_browser import find_browser as browser_path
from tests.waiting import wait_for


@pytest.mark.deep
def test_a_service_that_is_killed_in_the_middle_of_scanning(
    page: Page, own_service: Service, station: NurseryStation
) -> None:
    for parent in station.parents[:3]:
        scan(page, parent)
    own_service.process.kill()
    own_service.process.wait(10)
    for parent in station.parents[3:]:
        scan(page, parent)
        expect(page.locator(".feedback.good .words")).to_contain_text(f"保護者{station.parents.index(parent) + 1}さん")
    expect(page.locator("#state")).to_contain_text("オフライン")
    restart_service(own_service)

    await_all_sent(page)

    assert_each_stored_once(station, page, list(station.parents))


def test_an_answer_that_is_lost_after_the_commit(page: Page, relay: Relay, station: NurseryStation) -> None:
    relay.loses_replies = True
    scan(page, station.parents[0])
    wait_for(lambda: station.rows() and relay.lost, "it was not lost")
    assert len(station.rows()) == 1, "it is stored, and nobody was told"
    expect(page.locator("#recent .badge.waiting")).to_have_count(1)
    reconnect(relay, page)

    await_all_sent(page)

    assert_each_stored_once(station, page, [station.parents[0]])
    assert relay.lost >= 1


def test_a_tab_that_is_reloaded_before_the_answer(page: Page, relay: Relay, station: NurseryStation) -> None:
    relay.go_away()
    for parent in station.parents[:2]:
        scan(page, parent)
    await_stored(page, 2)
    reconnect(relay, page)
    scan(page, station.parents[2])
    await_stored(page, 3)  # from here on the station has stored it
    page.reload()
    await_ready(page)

    await_all_sent(page)

    assert_each_stored_once(station, page, list(station.parents[:3]))


@pytest.mark.deep
def test_a_browser_that_is_closed_and_opened_again(
    chromium: Browser, relay: Relay, station: NurseryStation, tmp_path: Path
) -> None:
    def open_browser() -> BrowserContext:
        context = chromium.browser_type.launch_persistent_context(
            tmp_path / "profile",
            executable_path=browser_path(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
            viewport=TABLET,  # type: ignore[arg-type]  # a size
        )
        context.set_default_timeout(20_000)
        return context

    first_context = open_browser()
    page = first_context.new_page()
    page.goto(f"{station.url}/entry-exit-login")
    for key, value in ((entry["name"], entry["value"]) for entry in station.state()["origins"][0]["localStorage"]):  # type: ignore[index]
        page.evaluate("([key, value]) => localStorage.setItem(key, value)", [key, value])
    page.goto(f"{station.url}/entry-exit-registration")
    await_ready(page)
    await_worker(page)
    relay.go_away()
    for parent in station.parents[:3]:
        scan(page, parent)
    await_stored(page, 3)
    first_context.close()

    second_context = open_browser()
    page = second_context.new_page()
    page.goto(f"{station.url}/entry-exit-registration")
    await_ready(page, online=False)
    await_stored(page, 3)
    expect(page.locator("#state")).to_contain_text("オフライン（未送信3件）")
    scan(page, station.parents[3])
    expect(page.locator(".feedback.good .words")).to_contain_text("保護者4さん")
    reconnect(relay, page)

    await_all_sent(page)
    assert_each_stored_once(station, page, list(station.parents[:4]))
    second_context.close()


@pytest.mark.deep
def test_two_tabs_share_one_queue(page: Page, context: BrowserContext, relay: Relay, station: NurseryStation) -> None:
    other_page = open_station(context, station)
    relay.go_away()
    for number, parent in enumerate(station.parents):
        tab = (page, other_page)[number % 2]
        tab.bring_to_front()
        scan(tab, parent)
        await_stored(page, number + 1)
    reconnect(relay, page, other_page)

    await_all_sent(page)
    await_all_sent(other_page)

    assert_each_stored_once(station, page, list(station.parents))


@pytest.mark.deep
def test_a_hundred_scans_without_a_network_and_the_hundred_and_first(
    chromium: Browser, own_service: Service, relay: Relay, hashed: str
) -> None:
    station = create_station(own_service, relay.url, hashed, parents=101)
    context = station.context(chromium)
    page = open_station(context, station)
    relay.go_away()
    for parent in station.parents[:79]:
        scan(page, parent)
    page.wait_for_function("() => document.getElementById('state').textContent.includes('未送信79件')")
    assert page.locator("#notices .notice").count() == 0
    scan(page, station.parents[79])
    expect(page.locator("#notices")).to_contain_text("未送信の記録が80件あります（上限100件）")
    for parent in station.parents[80:100]:
        scan(page, parent)
    page.wait_for_function("() => document.getElementById('state').textContent.includes('未送信100件')")
    scan(page, station.parents[100])
    expect(page.locator(".feedback.shown.bad .words")).to_contain_text("手書きの台帳に記入してください")
    assert count_waiting(page) == 100
    with page.expect_download() as download:
        page.get_by_role("button", name="未送信の一覧をCSVで保存").click(force=True)
    text = Path(download.value.path()).read_text("utf-8-sig")
    assert [row[1] for row in csv.reader(io.StringIO(text))][1:] == [str(parent) for parent in station.parents[:100]]
    reconnect(relay, page)

    await_all_sent(page)

    rows = station.rows()
    assert [row[0] for row in rows] == list(station.parents[:100])
    assert [row[2] for row in rows] == sorted(row[2] for row in rows)
    assert [(row[3], row[2]) for row in rows[90:]] == with_times(remembered_scans(page))
    scan(page, station.parents[100])
    expect(page.locator(".feedback.good .words")).to_contain_text("保護者101さん")
    context.close()


def test_a_clock_ten_minutes_ahead_is_reported_and_its_times_are_stored(
    chromium: Browser, station: NurseryStation
) -> None:
    context = station.context(chromium)
    context.add_init_script(
        """const Real = Date;
        Date = class extends Real {
          constructor(...given) { super(...(given.length ? given : [Real.now() + 600000])); }
          static now() { return Real.now() + 600000; }
        };"""
    )
    page = open_station(context, station)
    expect(page.locator("#notices")).to_contain_text("時計が約10分進んでいます")
    scan(page, station.parents[0])
    await_stored(page, 1)
    await_all_sent(page)

    assert_each_stored_once(station, page, [station.parents[0]])
    time_ahead = station.rows()[0][2] - datetime.now(UTC)
    assert timedelta(minutes=9) < time_ahead < timedelta(minutes=10)
    [[skew]] = station.service.rows("SELECT skew_seconds FROM entries_logs WHERE nursery_id = %s", station.nursery_id)
    assert 590 <= int(str(skew)) <= 610
    context.close()


@pytest.mark.deep
def test_a_database_that_is_down_is_reported_and_loses_no_scan(
    page: Page, running_servers: Home, station: NurseryStation
) -> None:
    url = servers.url(running_servers, "superuser", "postgres")
    with psycopg.connect(url, autocommit=True) as administrator:
        administrator.execute(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS false")
        try:
            administrator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [DATABASE]
            )
            for parent in station.parents[:2]:
                scan(page, parent)
            expect(page.locator("#notices")).to_contain_text("手書きの台帳にも記入してください")
            expect(page.locator("#state")).to_have_text("サーバー障害（未送信2件）")
            scan(page, "9999999999")
            expect(page.locator(".feedback.unsure .words")).to_contain_text("記録は端末に保存しました")
        finally:
            administrator.execute(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS true")

    expect(page.locator("#state")).to_have_text("オンライン")
    assert [row[0] for row in station.rows()] == list(station.parents[:2])
    expect(page.locator("#notices .notice")).to_have_count(0)
    expect(page.locator("#look")).to_have_text("要確認 1件")


@pytest.mark.deep
def test_a_newer_version_starts_when_no_scan_is_recent_or_waiting(
    chromium: Browser, relay: Relay, station: NurseryStation
) -> None:
    context = station.context(chromium, offline=True)
    page = context.new_page()
    page.clock.install()
    page.goto(f"{station.url}/entry-exit-registration")
    await_ready(page)
    await_worker(page)
    version = page.evaluate("GENBA_STATION.version")
    relay.rewrites = (version.encode(), b"f" * len(version))
    newer_waits = "() => navigator.serviceWorker.getRegistration().then((found) => found.waiting !== null)"

    scan(page, station.parents[0])
    await_stored(page, 1)
    await_all_sent(page)
    page.evaluate("navigator.serviceWorker.getRegistration().then((found) => found.update()).then(() => {})")
    wait_until(page, newer_waits)
    page.clock.run_for(10_000)
    assert page.evaluate(newer_waits), "somebody scanned a moment ago"
    relay.go_away()
    scan(page, station.parents[1])
    await_stored(page, 2)
    expect(page.locator("#state")).to_contain_text("オフライン")
    page.clock.run_for(90_000)
    assert page.evaluate(newer_waits), "a scan is waiting"
    assert page.evaluate("GENBA_STATION.version") == version
    reconnect(relay, page)
    await_all_sent(page)
    page.clock.run_for(90_000)
    # A request that was in flight during those 90 seconds has timed out; the next one has not.
    page.wait_for_function(
        """() => {
          if (self.GENBA_STATION && GENBA_STATION.version === "ffffffffffff") return true;
          dispatchEvent(new Event("online"));
          return false;
        }""",
        polling=1000,
    )
    assert [row[0] for row in station.rows()] == list(station.parents[:2])
    context.close()
