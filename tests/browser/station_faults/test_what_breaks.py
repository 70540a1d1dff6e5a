"""Nothing lost, nothing doubled: one row for each scan, in order, with the scan's own time, whatever breaks."""

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
    as_scanned,
    assert_each_once,
    await_kept,
    await_sent,
    begin_again,
    come_back,
)
from tests.browser.stations import (
    TABLET,
    Door,
    await_ready,
    await_worker,
    found,
    made,
    open_station,
    scan,
    until,
    waiting,
)
from tests.conftest import Service
from tests.ensure_browser import browser as browser_path
from tests.waiting import wait_for


@pytest.mark.deep
def test_a_service_that_is_killed_in_the_middle_of_scanning(page: Page, own: Service, door: Door) -> None:
    for parent in door.parents[:3]:
        scan(page, parent)
    own.process.kill()
    own.process.wait(10)
    for parent in door.parents[3:]:
        scan(page, parent)
        expect(page.locator(".feedback.good .words")).to_contain_text(f"保護者{door.parents.index(parent) + 1}さん")
    expect(page.locator("#state")).to_contain_text("オフライン")
    begin_again(own)

    await_sent(page)

    assert_each_once(door, page, list(door.parents))


def test_an_answer_that_is_lost_after_the_commit(page: Page, relay: Relay, door: Door) -> None:
    relay.loses_replies = True
    scan(page, door.parents[0])
    wait_for(lambda: door.rows() and relay.lost, "it was not lost")
    assert len(door.rows()) == 1, "it is stored, and nobody was told"
    expect(page.locator("#recent .badge.waiting")).to_have_count(1)
    come_back(relay, page)

    await_sent(page)

    assert_each_once(door, page, [door.parents[0]])
    assert relay.lost >= 1


def test_a_tab_that_is_loaded_anew_before_the_answer(page: Page, relay: Relay, door: Door) -> None:
    relay.go_away()
    for parent in door.parents[:2]:
        scan(page, parent)
    await_kept(page, 2)
    come_back(relay, page)
    scan(page, door.parents[2])
    await_kept(page, 3)  # from here on it is the station's to keep
    page.reload()
    await_ready(page)

    await_sent(page)

    assert_each_once(door, page, list(door.parents[:3]))


@pytest.mark.deep
def test_a_browser_that_is_closed_and_opened_again(chromium: Browser, relay: Relay, door: Door, tmp_path: Path) -> None:
    def opened() -> BrowserContext:
        context = chromium.browser_type.launch_persistent_context(
            tmp_path / "profile",
            executable_path=browser_path(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
            viewport=TABLET,  # type: ignore[arg-type]  # a size
        )
        context.set_default_timeout(20_000)
        return context

    first = opened()
    page = first.new_page()
    page.goto(f"{door.url}/entry-exit-login")
    for key, value in ((entry["name"], entry["value"]) for entry in door.state()["origins"][0]["localStorage"]):  # type: ignore[index]
        page.evaluate("([key, value]) => localStorage.setItem(key, value)", [key, value])
    page.goto(f"{door.url}/entry-exit-registration")
    await_ready(page)
    await_worker(page)
    relay.go_away()
    for parent in door.parents[:3]:
        scan(page, parent)
    await_kept(page, 3)
    first.close()

    again = opened()
    page = again.new_page()
    page.goto(f"{door.url}/entry-exit-registration")
    await_ready(page, online=False)
    await_kept(page, 3)
    expect(page.locator("#state")).to_contain_text("オフライン（未送信3件）")
    scan(page, door.parents[3])
    expect(page.locator(".feedback.good .words")).to_contain_text("保護者4さん")
    come_back(relay, page)

    await_sent(page)
    assert_each_once(door, page, list(door.parents[:4]))
    again.close()


@pytest.mark.deep
def test_two_tabs_share_one_queue(page: Page, context: BrowserContext, relay: Relay, door: Door) -> None:
    other = open_station(context, door)
    relay.go_away()
    for number, parent in enumerate(door.parents):
        tab = (page, other)[number % 2]
        tab.bring_to_front()
        scan(tab, parent)
        await_kept(page, number + 1)
    come_back(relay, page, other)

    await_sent(page)
    await_sent(other)

    assert_each_once(door, page, list(door.parents))


@pytest.mark.deep
def test_a_hundred_scans_without_a_network_and_the_hundred_and_first(
    chromium: Browser, own: Service, relay: Relay, hashed: str
) -> None:
    door = found(own, relay.url, hashed, parents=101)
    context = door.context(chromium)
    page = open_station(context, door)
    relay.go_away()
    for parent in door.parents[:79]:
        scan(page, parent)
    page.wait_for_function("() => document.getElementById('state').textContent.includes('未送信79件')")
    assert page.locator("#notices .notice").count() == 0
    scan(page, door.parents[79])
    expect(page.locator("#notices")).to_contain_text("未送信の記録が80件あります（上限100件）")
    for parent in door.parents[80:100]:
        scan(page, parent)
    page.wait_for_function("() => document.getElementById('state').textContent.includes('未送信100件')")
    scan(page, door.parents[100])
    expect(page.locator(".feedback.shown.bad .words")).to_contain_text("手書きの台帳に記入してください")
    assert waiting(page) == 100
    with page.expect_download() as saved:
        page.get_by_role("button", name="未送信の一覧をCSVで保存").click(force=True)
    text = Path(saved.value.path()).read_text("utf-8-sig")
    assert [row[1] for row in csv.reader(io.StringIO(text))][1:] == [str(parent) for parent in door.parents[:100]]
    come_back(relay, page)

    await_sent(page)

    rows = door.rows()
    assert [row[0] for row in rows] == list(door.parents[:100])
    assert [row[2] for row in rows] == sorted(row[2] for row in rows)
    assert [(row[3], row[2]) for row in rows[90:]] == as_scanned(made(page))
    scan(page, door.parents[100])
    expect(page.locator(".feedback.good .words")).to_contain_text("保護者101さん")
    context.close()


def test_a_clock_that_is_ten_minutes_ahead_is_pointed_out_and_believed(chromium: Browser, door: Door) -> None:
    context = door.context(chromium)
    context.add_init_script(
        """const Real = Date;
        Date = class extends Real {
          constructor(...given) { super(...(given.length ? given : [Real.now() + 600000])); }
          static now() { return Real.now() + 600000; }
        };"""
    )
    page = open_station(context, door)
    expect(page.locator("#notices")).to_contain_text("時計が約10分進んでいます")
    scan(page, door.parents[0])
    await_kept(page, 1)
    await_sent(page)

    assert_each_once(door, page, [door.parents[0]])
    ahead = door.rows()[0][2] - datetime.now(UTC)
    assert timedelta(minutes=9) < ahead < timedelta(minutes=10)
    [[skew]] = door.service.rows("SELECT skew_seconds FROM entries_logs WHERE nursery_id = %s", door.nursery_id)
    assert 590 <= int(str(skew)) <= 610
    context.close()


@pytest.mark.deep
def test_a_database_that_is_down_is_told_in_words_and_keeps_no_scan_out(
    page: Page, running_servers: Home, door: Door
) -> None:
    address = servers.url(running_servers, "superuser", "postgres")
    with psycopg.connect(address, autocommit=True) as administrator:
        administrator.execute(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS false")
        try:
            administrator.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [DATABASE]
            )
            for parent in door.parents[:2]:
                scan(page, parent)
            expect(page.locator("#notices")).to_contain_text("手書きの台帳にも記入してください")
            expect(page.locator("#state")).to_have_text("サーバー障害（未送信2件）")
            scan(page, "9999999999")
            expect(page.locator(".feedback.unsure .words")).to_contain_text("記録は端末に保存しました")
        finally:
            administrator.execute(f"ALTER DATABASE {DATABASE} ALLOW_CONNECTIONS true")

    expect(page.locator("#state")).to_have_text("オンライン")
    assert [row[0] for row in door.rows()] == list(door.parents[:2])
    expect(page.locator("#notices .notice")).to_have_count(0)
    expect(page.locator("#look")).to_have_text("要確認 1件")


@pytest.mark.deep
def test_a_newer_version_takes_over_when_nobody_scans_and_nothing_waits(
    chromium: Browser, relay: Relay, door: Door
) -> None:
    context = door.context(chromium, offline=True)
    page = context.new_page()
    page.clock.install()
    page.goto(f"{door.url}/entry-exit-registration")
    await_ready(page)
    await_worker(page)
    version = page.evaluate("GENBA_STATION.version")
    relay.rewrites = (version.encode(), b"f" * len(version))
    newer = "() => navigator.serviceWorker.getRegistration().then((found) => found.waiting !== null)"

    scan(page, door.parents[0])
    await_kept(page, 1)
    await_sent(page)
    page.evaluate("navigator.serviceWorker.getRegistration().then((found) => found.update()).then(() => {})")
    until(page, newer)
    page.clock.run_for(10_000)
    assert page.evaluate(newer), "somebody scanned a moment ago"
    relay.go_away()
    scan(page, door.parents[1])
    await_kept(page, 2)
    expect(page.locator("#state")).to_contain_text("オフライン")
    page.clock.run_for(90_000)
    assert page.evaluate(newer), "a scan is waiting"
    assert page.evaluate("GENBA_STATION.version") == version
    come_back(relay, page)
    await_sent(page)
    page.clock.run_for(90_000)
    # A request that was on its way through those 90 seconds has been given up; the next one has not.
    page.wait_for_function(
        """() => {
          if (self.GENBA_STATION && GENBA_STATION.version === "ffffffffffff") return true;
          dispatchEvent(new Event("online"));
          return false;
        }""",
        polling=1000,
    )
    assert [row[0] for row in door.rows()] == list(door.parents[:2])
    context.close()
