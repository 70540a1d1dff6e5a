"""Refusals by the service, and answers of others in its place: no scan is lost."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, Route, expect

from service.core.database.clock import real_now
from service.entries.station import queries, rules
from tests.browser.relay import Relay
from tests.browser.station_faults.after_all import (
    assert_each_stored_once,
    await_all_sent,
    await_stored,
    reconnect,
    with_times,
)
from tests.browser.stations import (
    PASSWORD,
    NurseryStation,
    await_ready,
    await_worker,
    count_waiting,
    create_station,
    open_station,
    remembered_scans,
    scan,
)
from tests.conftest import Service


def test_a_token_that_expired_without_a_network(page: Page, relay: Relay, station: NurseryStation) -> None:
    relay.go_away()
    now = real_now()
    claims = rules.Claims(station.station_id, station.nursery_id, now - timedelta(hours=1))
    expired = rules.encode_token(queries.signing_key(), claims, now - timedelta(hours=9))
    page.evaluate(
        """(token) => {
          const kept = JSON.parse(localStorage.getItem("genba.station.session"));
          localStorage.setItem("genba.station.session", JSON.stringify(Object.assign(kept, { token })));
        }""",
        expired,
    )
    for parent in station.parents[:2]:
        scan(page, parent)
    await_stored(page, 2)
    reconnect(relay, page)

    await_all_sent(page)

    assert_each_stored_once(station, page, list(station.parents[:2]))


def test_a_failed_heartbeat_is_retried_three_times_and_only_the_status_shows_it(
    chromium: Browser, relay: Relay, station: NurseryStation
) -> None:
    context = station.context(chromium, offline=True)
    page = context.new_page()
    page.clock.install()
    page.goto(f"{station.url}/entry-exit-registration")
    await_ready(page)
    heartbeats: list[str] = []
    page.on(
        "request",
        lambda request: heartbeats.append(request.url) if request.url.endswith("/api/auth/heartbeat") else None,
    )
    relay.go_away()
    for _ in range(40):
        # The test moves the page's timers, but not its network.
        page.clock.run_for(1000)
        page.wait_for_timeout(20)

    assert len(heartbeats) == 4
    expect(page.locator("#state")).to_have_text("オフライン")
    expect(page.get_by_text("バーコードをスキャンしてください")).to_be_visible()
    assert page.locator("#notices .notice, .feedback.shown").count() == 0
    reconnect(relay, page)
    expect(page.locator("#state")).to_have_text("オンライン")
    context.close()


def test_a_session_that_staff_ended_asks_for_the_password_and_keeps_the_queue(
    page: Page, own_service: Service, relay: Relay, station: NurseryStation, hashed: str
) -> None:
    relay.go_away()
    scan(page, station.parents[0])
    await_stored(page, 1)
    scans = with_times(remembered_scans(page))
    own_service.rows("UPDATE entries_stations SET revoked_at = now() WHERE id = %s", station.station_id)
    reconnect(relay, page)
    page.wait_for_url("**/entry-exit-login")
    expect(page.get_by_role("alert")).to_contain_text("未送信の記録は端末に残っています")

    other_station = create_station(own_service, relay.url, hashed)
    log_in(page, other_station)
    expect(page.locator("#notices")).to_contain_text("別の保育園の未送信の記録が1件")
    assert other_station.rows() == station.rows() == []
    expect(page.get_by_text("まだスキャンはありません。")).to_be_visible()
    page.get_by_role("button", name="ログアウト").click()
    page.get_by_role("button", name="ログアウトする").click()
    page.wait_for_url("**/entry-exit-login")
    log_in(page, station)

    await_all_sent(page)
    assert [(row[3], row[2]) for row in station.rows()] == scans
    assert other_station.rows() == []


def log_in(page: Page, station: NurseryStation) -> None:
    page.get_by_label("保育園コード").fill(station.code)
    page.locator("#password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/entry-exit-registration")
    await_ready(page)


def test_a_scan_that_is_refused_later_is_left_to_staff(
    chromium: Browser, own_service: Service, relay: Relay, station: NurseryStation
) -> None:
    context = station.context(chromium, offline=True)
    page = open_station(context, station)
    await_worker(page)
    context.set_offline(True)
    scan(page, station.parents[0])
    expect(page.locator(".feedback.good .words")).to_contain_text("保護者1さん")
    expect(page.locator("#state")).to_contain_text("オフライン")
    scan(page, "9999999999")
    expect(page.locator(".feedback.unsure .words")).to_contain_text("保護者を確認できませんでした")
    scan(page, station.parents[1])
    await_stored(page, 3)
    page.reload()
    await_ready(page, online=False)
    await_stored(page, 3)
    own_service.rows("UPDATE entries_parents SET archived_at = now() WHERE id = %s", station.parents[0])
    context.set_offline(False)

    page.get_by_role("button", name="要確認 2件").click()
    rows = page.locator("#attention-rows tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("保護者1")
    expect(rows.nth(1)).to_contain_text("保護者が見つかりません")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSVで保存", exact=True).click()
    csv_rows = list(csv.reader(io.StringIO(Path(download.value.path()).read_text("utf-8-sig"))))
    assert [row[1:5] for row in csv_rows[1:]] == [
        [str(station.parents[0]), "保護者1", "入", "要確認"],
        ["9999999999", "", "入", "要確認"],
    ]

    rows.nth(1).get_by_role("button", name="削除").click()
    page.get_by_role("button", name="キャンセル").click()
    expect(rows).to_have_count(2)
    rows.nth(1).get_by_role("button", name="削除").click()
    page.get_by_role("button", name="削除する").click()
    expect(rows).to_have_count(1)
    own_service.rows("UPDATE entries_parents SET archived_at = NULL WHERE id = %s", station.parents[0])
    rows.first.get_by_role("button", name="再送信").click()
    expect(rows).to_have_count(0)

    assert [row[0] for row in station.rows()] == [station.parents[1], station.parents[0]]
    context.close()


def test_an_answer_of_another_server_is_no_result(page: Page, station: NurseryStation) -> None:
    """A hotspot's page or a proxy's error: the scan waits until the service itself has answered."""
    answers = iter([(200, "text/html", "<h1>Wi-Fi</h1>"), (403, "text/html", "no"), (502, "text/html", "no")])

    def foreign_answer(route: Route) -> None:
        status, kind, body = next(answers)
        route.fulfill(status=status, content_type=kind, body=body)

    page.route("**/api/entry-exit-logs", foreign_answer, times=3)
    scan(page, station.parents[0])
    expect(page.locator("#state")).to_contain_text("オフライン")
    for _ in range(2):
        page.evaluate("import('/entry-exit-station/sending.js').then(({ send }) => send())")
    assert (station.rows(), count_waiting(page)) == ([], 1)
    page.evaluate("dispatchEvent(new Event('online'))")

    await_all_sent(page)
    assert_each_stored_once(station, page, [station.parents[0]])


def test_a_scan_that_the_service_fails_over_is_set_aside_after_three_tries(page: Page, station: NurseryStation) -> None:
    problem = '{"type":"about:blank","title":"x","status":500,"detail":"x","errors":[]}'

    def failing(route: Route) -> None:
        route.fulfill(status=500, content_type="application/problem+json", body=problem)

    page.route("**/api/entry-exit-logs", failing)
    scan(page, station.parents[0])
    page.wait_for_selector(".feedback.good")
    for _ in range(2):
        expect(page.locator("#recent .badge.waiting")).to_have_count(1)
        page.evaluate("import('/entry-exit-station/sending.js').then(({ send }) => send())")
    expect(page.locator("#recent .badge.attention")).to_have_count(1)
    page.unroute("**/api/entry-exit-logs")
    scan(page, station.parents[1])
    expect(page.locator("#recent .badge.done")).to_have_count(1)

    assert [row[0] for row in station.rows()] == [station.parents[1]]
    expect(page.locator("#look")).to_have_text("要確認 1件")
