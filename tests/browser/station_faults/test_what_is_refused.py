"""What the service says no to, or somebody else says in its place: no scan goes with it."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, Route, expect

from service.core.database.clock import real_now
from service.entries.station import actions, rules
from tests.browser.relay import Relay
from tests.browser.station_faults.after_all import (
    as_scanned,
    assert_each_once,
    await_kept,
    await_sent,
    come_back,
)
from tests.browser.stations import (
    PASSWORD,
    Door,
    await_ready,
    await_worker,
    found,
    made,
    open_station,
    scan,
    waiting,
)
from tests.conftest import Service


def test_a_token_that_expired_without_a_network(page: Page, relay: Relay, door: Door) -> None:
    relay.go_away()
    now = real_now()
    claims = rules.Claims(door.station_id, door.nursery_id, now - timedelta(hours=1))
    expired = rules.encode_token(actions.signing_key(), claims, now - timedelta(hours=9))
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

    def elsewhere(route: Route) -> None:
        status, kind, body = next(answers)
        route.fulfill(status=status, content_type=kind, body=body)

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

    def failing(route: Route) -> None:
        route.fulfill(status=500, content_type="application/problem+json", body=problem)

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
