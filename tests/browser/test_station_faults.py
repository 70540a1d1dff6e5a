"""Nothing lost, nothing doubled: one row for each scan, in order, with the scan's own time, whatever breaks."""

from __future__ import annotations

import csv
import io
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from service.core.clock import real_now
from service.core.identity import hash_password
from service.entries.station import actions, rules
from stack import servers
from stack.home import ROOT, Home
from tests.browser.relay import Relay
from tests.browser.stations import (
    PASSWORD,
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
from tests.conftest import Service, start_service
from tests.ensure_browser import browser as browser_path
from tests.processes import await_ok, end

DATABASE = "genba_station"


@pytest.fixture(scope="module")
def own(running_servers: Home) -> Iterator[Service]:
    """A service that may be killed."""
    started = start_service(running_servers, DATABASE)
    yield started
    end(started.process)


@pytest.fixture
def relay(own: Service) -> Iterator[Relay]:
    made = Relay(own.url)
    yield made
    made.end()


@pytest.fixture(scope="module")
def hashed() -> str:
    return hash_password(PASSWORD)


@pytest.fixture
def door(own: Service, relay: Relay, hashed: str) -> Door:
    return found(own, relay.url, hashed)


@pytest.fixture
def context(chromium: Browser, door: Door) -> Iterator[BrowserContext]:
    made = door.context(chromium)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, door: Door) -> Page:
    return open_station(context, door)


def begin_again(own: Service) -> None:
    command = [*own.process.args, "--log-level", "error"]  # type: ignore[misc]  # a list, as it was started
    own.process = subprocess.Popen(command, cwd=ROOT, env=own.environ)
    await_ok(f"{own.url}/api/health/live", own.process)


def come_back(relay: Relay, *pages: Page) -> None:
    """And the tablet says so to its browser, as it does when it finds its network again."""
    relay.come_back()
    for page in pages:
        page.evaluate("dispatchEvent(new Event('online'))")


def await_sent(page: Page) -> None:
    """Until the station says itself that all is well."""
    expect(page.locator("#state")).to_have_text("オンライン", timeout=30_000)
    page.wait_for_function("() => !document.querySelector('#recent .badge.waiting')")


def await_kept(page: Page, scans: int) -> None:
    page.wait_for_function("(n) => document.querySelectorAll('#recent .badge').length === n", arg=scans)


def as_scanned(remembered: list[tuple[str, str]]) -> list[tuple[str, datetime]]:
    return [(event, datetime.fromisoformat(moment)) for event, moment in remembered]


def assert_each_once(door: Door, page: Page, parents: list[int]) -> None:
    rows = door.rows()
    assert [row[0] for row in rows] == parents
    assert [(row[3], row[2]) for row in rows] == as_scanned(made(page)), "in order, with the scan's own time"


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
    deadline = time.monotonic() + 10
    while not (door.rows() and relay.lost) and time.monotonic() < deadline:
        time.sleep(0.05)
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


def test_a_token_that_expired_without_a_network(page: Page, relay: Relay, door: Door) -> None:
    relay.go_away()
    now = real_now()
    claims = rules.Claims(door.station_id, door.nursery_id, now - timedelta(hours=1))
    expired = rules.token(actions.key(), claims, now - timedelta(hours=9))
    page.evaluate(
        """(token) => {
          const kept = JSON.parse(localStorage.getItem("genba.station.session"));
          localStorage.setItem("genba.station.session", JSON.stringify(Object.assign(kept, { token })));
        }""",
        expired,
    )
    for parent in door.parents[:2]:
        scan(page, parent)
    await_kept(page, 2)
    come_back(relay, page)

    await_sent(page)

    assert_each_once(door, page, list(door.parents[:2]))


def test_a_heartbeat_that_fails_is_tried_three_times_more_and_only_the_dot_says_so(
    chromium: Browser, relay: Relay, door: Door
) -> None:
    context = door.context(chromium, offline=True)
    page = context.new_page()
    page.clock.install()
    page.goto(f"{door.url}/entry-exit-registration")
    await_ready(page)
    beats: list[str] = []
    page.on("request", lambda sent: beats.append(sent.url) if sent.url.endswith("/api/auth/heartbeat") else None)
    relay.go_away()
    for _ in range(40):
        # Its timers are ours to move on, its network is not.
        page.clock.run_for(1000)
        page.wait_for_timeout(20)

    assert len(beats) == 4
    expect(page.locator("#state")).to_have_text("オフライン")
    expect(page.get_by_text("バーコードをスキャンしてください")).to_be_visible()
    assert page.locator("#notices .notice, .feedback.shown").count() == 0
    come_back(relay, page)
    expect(page.locator("#state")).to_have_text("オンライン")
    context.close()


def test_a_session_that_staff_ended_asks_for_the_password_and_keeps_the_queue(
    page: Page, own: Service, relay: Relay, door: Door, hashed: str
) -> None:
    relay.go_away()
    scan(page, door.parents[0])
    await_kept(page, 1)
    remembered = as_scanned(made(page))
    own.rows("UPDATE entries_stations SET revoked_at = now() WHERE id = %s", door.station_id)
    come_back(relay, page)
    page.wait_for_url("**/entry-exit-login")
    expect(page.get_by_role("alert")).to_contain_text("未送信の記録は端末に残っています")

    elsewhere = found(own, relay.url, hashed)
    log_in(page, elsewhere)
    expect(page.locator("#notices")).to_contain_text("別の保育園の未送信の記録が1件")
    assert elsewhere.rows() == door.rows() == []
    expect(page.get_by_text("まだスキャンはありません。")).to_be_visible()
    page.get_by_role("button", name="ログアウト").click()
    page.get_by_role("button", name="ログアウトする").click()
    page.wait_for_url("**/entry-exit-login")
    log_in(page, door)

    await_sent(page)
    assert [(row[3], row[2]) for row in door.rows()] == remembered
    assert elsewhere.rows() == []


def log_in(page: Page, door: Door) -> None:
    page.get_by_label("保育園コード").fill(door.code)
    page.locator("#password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/entry-exit-registration")
    await_ready(page)


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

    expect(page.locator("#state")).to_have_text("オンライン", timeout=40_000)
    assert [row[0] for row in door.rows()] == list(door.parents[:2])
    expect(page.locator("#notices .notice")).to_have_count(0)
    expect(page.locator("#look")).to_have_text("要確認 1件")


def test_what_the_service_refuses_later_is_left_to_staff(
    chromium: Browser, own: Service, relay: Relay, door: Door
) -> None:
    context = door.context(chromium, offline=True)
    page = open_station(context, door)
    await_worker(page)
    context.set_offline(True)
    scan(page, door.parents[0])
    expect(page.locator(".feedback.good .words")).to_contain_text("保護者1さん")
    expect(page.locator("#state")).to_contain_text("オフライン")
    scan(page, "9999999999")
    expect(page.locator(".feedback.unsure .words")).to_contain_text("保護者を確認できませんでした")
    scan(page, door.parents[1])
    await_kept(page, 3)
    page.reload()
    await_ready(page, online=False)
    await_kept(page, 3)
    own.rows("UPDATE entries_parents SET archived_at = now() WHERE id = %s", door.parents[0])
    context.set_offline(False)

    page.get_by_role("button", name="要確認 2件").click()
    rows = page.locator("#attention-rows tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("保護者1")
    expect(rows.nth(1)).to_contain_text("保護者が見つかりません")
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSVで保存", exact=True).click()
    listed = list(csv.reader(io.StringIO(Path(saved.value.path()).read_text("utf-8-sig"))))
    assert [row[1:5] for row in listed[1:]] == [
        [str(door.parents[0]), "保護者1", "入", "要確認"],
        ["9999999999", "", "入", "要確認"],
    ]

    rows.nth(1).get_by_role("button", name="削除").click()
    page.get_by_role("button", name="キャンセル").click()
    expect(rows).to_have_count(2)
    rows.nth(1).get_by_role("button", name="削除").click()
    page.get_by_role("button", name="削除する").click()
    expect(rows).to_have_count(1)
    own.rows("UPDATE entries_parents SET archived_at = NULL WHERE id = %s", door.parents[0])
    rows.first.get_by_role("button", name="再送信").click()
    expect(rows).to_have_count(0)

    assert [row[0] for row in door.rows()] == [door.parents[1], door.parents[0]]
    context.close()


def test_an_answer_that_is_not_the_services_own_settles_nothing(page: Page, door: Door) -> None:
    """A hotspot's page, a proxy's refusal: the scan waits until the service itself has answered."""
    answers = iter([(200, "text/html", "<h1>Wi-Fi</h1>"), (403, "text/html", "no"), (502, "text/html", "no")])

    def elsewhere(route: object) -> None:
        status, kind, body = next(answers)
        route.fulfill(status=status, content_type=kind, body=body)  # type: ignore[attr-defined]  # Playwright's

    page.route("**/api/entry-exit-logs", elsewhere, times=3)
    scan(page, door.parents[0])
    expect(page.locator("#state")).to_contain_text("オフライン")
    for _ in range(2):
        page.evaluate("import('/entry-exit-station/sending.js').then(({ send }) => send())")
    assert (door.rows(), waiting(page)) == ([], 1)
    page.evaluate("dispatchEvent(new Event('online'))")

    await_sent(page)
    assert_each_once(door, page, [door.parents[0]])


def test_a_scan_that_the_service_fails_over_is_set_aside_after_three_tries(page: Page, door: Door) -> None:
    problem = '{"type":"about:blank","title":"x","status":500,"detail":"x","errors":[]}'

    def failing(route: object) -> None:
        route.fulfill(status=500, content_type="application/problem+json", body=problem)  # type: ignore[attr-defined]

    page.route("**/api/entry-exit-logs", failing)
    scan(page, door.parents[0])
    page.wait_for_selector(".feedback.good")
    for _ in range(2):
        expect(page.locator("#recent .badge.waiting")).to_have_count(1)
        page.evaluate("import('/entry-exit-station/sending.js').then(({ send }) => send())")
    expect(page.locator("#recent .badge.attention")).to_have_count(1)
    page.unroute("**/api/entry-exit-logs")
    scan(page, door.parents[1])
    expect(page.locator("#recent .badge.done")).to_have_count(1)

    assert [row[0] for row in door.rows()] == [door.parents[1]]
    expect(page.locator("#look")).to_have_text("要確認 1件")


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
