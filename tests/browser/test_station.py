"""The scan station as staff and parents use it: a tablet in landscape, and a scanner that types."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from service.core.access.identity import hash_password
from service.entries.logs.rules import NOT_A_NUMBER
from service.entries.models import Parent
from service.entries.pages import PATH
from tests.browser.stations import (
    PASSWORD,
    TABLET,
    NurseryStation,
    await_ready,
    await_worker,
    count_waiting,
    create_station,
    open_station,
    scan,
    wait_until,
)
from tests.conftest import Service
from tests.waiting import wait_for

FIRST_SENTENCE = re.compile("[^。]*。")


@pytest.fixture(scope="module")
def hashed() -> str:
    return hash_password(PASSWORD)


@pytest.fixture
def station(service: Service, hashed: str) -> NurseryStation:
    return create_station(service, service.url, hashed)


@pytest.fixture
def context(chromium: Browser, station: NurseryStation) -> Iterator[BrowserContext]:
    started = station.context(chromium)
    yield started
    started.close()


@pytest.fixture
def page(context: BrowserContext, station: NurseryStation) -> Page:
    return open_station(context, station)


def feedback(page: Page) -> str:
    return page.locator(".feedback.shown .words").text_content() or ""


def await_feedback(page: Page, kind: str) -> str:
    page.wait_for_selector(f".feedback.shown.{kind}")
    return feedback(page)


def await_idle(page: Page) -> None:
    page.evaluate("document.getElementById('feedback').classList.remove('shown')")


def history(page: Page) -> list[list[str]]:
    rows = page.locator("#recent tr")
    return [[cell.strip() for cell in rows.nth(n).locator("td").all_text_contents()] for n in range(rows.count())]


def test_a_station_logs_in_shows_what_is_typed_and_goes_on_to_scanning(
    chromium: Browser, station: NurseryStation
) -> None:
    context = station.context(chromium, logged_in=False)
    page = context.new_page()
    page.goto(f"{station.url}/entry-exit-registration")
    page.wait_for_url("**/entry-exit-login")
    password = page.locator("#password")
    page.get_by_role("button", name="ログイン").click()
    expect(page.get_by_role("alert")).to_have_text("保育園コードとパスワードを入力してください。")
    page.get_by_label("保育園コード").fill(station.code)
    password.fill("wrong")
    page.get_by_role("button", name="パスワードを表示する").click()
    assert password.get_attribute("type") == "text"
    page.get_by_role("button", name="パスワードを隠す").click()
    assert password.get_attribute("type") == "password"
    page.get_by_role("button", name="ログイン").click()
    expect(page.get_by_role("alert")).to_contain_text("保育園コードまたはパスワードが違います")

    password.fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/entry-exit-registration")
    await_ready(page)

    expect(page.get_by_role("heading", level=1)).to_have_text("さくら保育園")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", page.locator("#clock").inner_text())
    expect(page.get_by_text("バーコードをスキャンしてください")).to_be_visible()
    token_parts = page.evaluate("JSON.parse(localStorage.getItem('genba.station.session')).token.split('.').length")
    assert token_parts == 3, "a JWT in localStorage (AR-EL-005)"
    context.close()


def test_the_sixth_attempt_shows_how_many_minutes_to_wait(chromium: Browser, station: NurseryStation) -> None:
    context = station.context(chromium, logged_in=False)
    page = context.new_page()
    page.goto(f"{station.url}/entry-exit-login")
    page.get_by_label("保育園コード").fill(station.code)
    with station.service.http() as http:
        for _ in range(5):
            http.post("/api/auth/entry-exit-login", json={"nurseryCode": station.code, "password": "wrong"})
    page.locator("#password").fill(PASSWORD)
    page.keyboard.press("Enter")

    expect(page.get_by_role("alert")).to_contain_text("あと10分")
    context.close()


def test_a_scan_flashes_green_greets_by_name_and_is_stored(page: Page, station: NurseryStation) -> None:
    for button, greeting in (("入", "おはようございます。"), ("出", "お疲れ様でした。")):
        page.get_by_role("button", name=button, exact=True).click()
        scan(page, station.parents[0])
        assert await_feedback(page, "good") == f"保護者1さん。{greeting}"
        flash = page.locator("#feedback")
        assert flash.evaluate("(e) => getComputedStyle(e).getPropertyValue('--flash').trim()") == "#22c55e"
        assert flash.evaluate("(e) => getComputedStyle(e).position + e.clientWidth") == f"fixed{TABLET['width']}"
        await_idle(page)

    expect(page.locator("#recent .badge.done")).to_have_count(2)
    assert [row[1:] for row in history(page)] == [["保護者1", "↑出", "成功"], ["保護者1", "↓入", "成功"]]
    assert [(parent, stored) for parent, stored, _, _ in station.rows()] == [
        (station.parents[0], "Entry"),
        (station.parents[0], "Exit"),
    ]


def test_the_toggle_has_the_documents_colours(page: Page) -> None:
    def background(name: str) -> str:
        button = page.get_by_role("button", name=name, exact=True)
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        colour: str = button.evaluate("(e) => getComputedStyle(e).backgroundColor")
        return colour

    assert (background("入"), background("出")) == ("rgb(34, 197, 94)", "rgb(249, 115, 22)")


def test_the_flash_lasts_200_ms_and_begins_within_200_ms_of_the_scanners_enter(
    page: Page, station: NurseryStation
) -> None:
    lengths, delays = set(), []
    for parent in station.parents:
        scan(page, parent)
        await_feedback(page, "good")
        lengths |= set(page.evaluate("document.getAnimations().map((a) => a.effect.getTiming().duration)"))
        page.wait_for_function("() => performance.getEntriesByName('feedback').length === 1")
        delays.append(page.evaluate("performance.getEntriesByName('feedback')[0].duration"))
        page.evaluate("performance.clearMeasures()")
        await_idle(page)

    assert lengths <= {200}
    assert sorted(delays)[len(delays) // 2] < 200, delays


def test_a_greeting_stays_three_seconds_and_the_next_scan_need_not_wait(page: Page, station: NurseryStation) -> None:
    scan(page, station.parents[0])
    await_feedback(page, "good")
    first_at = page.evaluate("performance.now()")
    scan(page, station.parents[1])
    page.wait_for_function("() => document.querySelector('.words').textContent.startsWith('保護者2さん')")
    second_at = page.evaluate("performance.now()")
    page.wait_for_function("() => !document.querySelector('.feedback').classList.contains('shown')", polling=20)
    hidden_at = page.evaluate("performance.now()")

    assert hidden_at - second_at > 2500
    assert hidden_at - first_at < 6000
    expect(page.locator("#recent .badge.done")).to_have_count(2)


REFUSALS = {
    "abc": FIRST_SENTENCE.findall(NOT_A_NUMBER)[0],
    "12345678901": FIRST_SENTENCE.findall(NOT_A_NUMBER)[0],
    "0123456": "保護者が見つかりません。",
    "9999999999": "保護者が見つかりません。",
}


def test_other_codes_are_refused_in_red_and_not_stored(page: Page, station: NurseryStation) -> None:
    for code, message in REFUSALS.items():
        scan(page, code)
        assert await_feedback(page, "bad").startswith(message)
        flash = page.locator("#feedback").evaluate("(e) => getComputedStyle(e).getPropertyValue('--flash').trim()")
        assert flash == "#dc2626"
        await_idle(page)

    expect(page.get_by_text("まだスキャンはありません。")).to_be_visible()
    expect(page.locator("#look")).to_be_hidden()
    assert (count_waiting(page), station.rows()) == (0, [])


def test_another_nurserys_card_is_refused_like_an_unknown_card(
    page: Page, station: NurseryStation, service: Service, hashed: str
) -> None:
    other_station = create_station(service, service.url, hashed)
    scan(page, "9999999999")
    unknown_card_message = await_feedback(page, "bad")
    await_idle(page)
    scan(page, other_station.parents[0])

    assert await_feedback(page, "bad") == unknown_card_message
    assert other_station.rows() == station.rows() == []


def test_the_same_parent_twice_within_ten_seconds_is_recorded_already(page: Page, station: NurseryStation) -> None:
    scan(page, station.parents[0])
    await_feedback(page, "good")
    await_idle(page)
    scan(page, station.parents[0])

    assert await_feedback(page, "recorded") == "保護者1さんの「入」は記録済みです。"
    expect(page.locator("#recent .badge.done")).to_have_count(1)
    assert [row[3] for row in history(page)] == ["記録済み", "成功"]
    assert len(station.rows()) == 1


def test_the_newest_ten_scans_are_listed(chromium: Browser, service: Service, hashed: str) -> None:
    station = create_station(service, service.url, hashed, parents=12)
    context = station.context(chromium)
    page = open_station(context, station)
    for parent in station.parents:
        scan(page, parent)
    expect(page.locator("#recent tr").first).to_contain_text("保護者12")
    expect(page.locator("#recent .badge.done")).to_have_count(10)

    assert [row[1] for row in history(page)] == [f"保護者{number}" for number in range(12, 2, -1)]
    page.evaluate("document.getElementById('feedback').classList.remove('shown')")
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight"), "fits the tablet"
    context.close()


# What an input method makes of a scanner's keys: their codes, and a composed text.
def type_through_an_input_method(page: Page, code: str, enter: bool = True) -> None:
    cdp = page.context.new_cdp_session(page)
    composed, started_at = "", time.time()
    for index, digit in enumerate(code):
        # At a scanner's speed, also on a busy machine.
        pressed = {"timestamp": started_at + index * 0.003}
        key = {"windowsVirtualKeyCode": 229, "key": "Process", "code": f"Digit{digit}", **pressed}
        cdp.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **key})
        composed += chr(ord(digit) - ord("0") + ord("０"))
        cdp.send(
            "Input.imeSetComposition",
            {"text": composed, "selectionStart": len(composed), "selectionEnd": len(composed)},
        )
        cdp.send("Input.dispatchKeyEvent", {"type": "keyUp", **key})
    if enter:
        key = {"windowsVirtualKeyCode": 229, "key": "Process", "code": "Enter"}
        cdp.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **key})
        cdp.send("Input.insertText", {"text": composed})
    cdp.detach()


@pytest.mark.parametrize("enter", [True, False], ids=["with Enter", "Enter eaten"])
def test_a_japanese_input_method_may_be_switched_on(page: Page, station: NurseryStation, enter: bool) -> None:
    for number in (0, 1):
        type_through_an_input_method(page, str(station.parents[number]), enter)
        page.wait_for_function(
            f"() => document.querySelector('.words').textContent.startsWith('保護者{number + 1}さん')"
        )
    expect(page.locator("#recent .badge.done")).to_have_count(2)
    await_idle(page)

    assert [row[0] for row in station.rows()] == list(station.parents[:2]), "each once"
    assert [row[3] for row in history(page)] == ["成功", "成功"]


def test_a_text_that_comes_without_keys_is_read_too(page: Page, station: NurseryStation) -> None:
    """For example from an on-screen scanner keyboard; full-width digits count as digits."""
    cdp = page.context.new_cdp_session(page)
    full_width = str(station.parents[0]).translate({ord("0") + n: chr(ord("０") + n) for n in range(10)})
    cdp.send("Input.insertText", {"text": full_width})
    page.keyboard.press("Enter")

    assert await_feedback(page, "good").startswith("保護者1さん")


def test_a_code_that_stops_halfway_is_no_scan(page: Page, station: NurseryStation) -> None:
    """It may be another parent's number."""
    page.keyboard.type(str(station.parents[1]))
    assert await_feedback(page, "bad").startswith("読み取りが途中で切れました。")
    await_idle(page)
    type_through_an_input_method(page, str(station.parents[1])[:-1], enter=False)
    assert await_feedback(page, "bad").startswith("読み取りが途中で切れました。")
    await_idle(page)
    scan(page, station.parents[0])
    assert await_feedback(page, "good").startswith("保護者1さん"), "what was left of it is gone"


def test_the_scanner_has_the_focus_whatever_is_touched(page: Page, station: NurseryStation) -> None:
    page.get_by_role("button", name="入", exact=True).click()
    page.locator(".history").click()
    page.wait_for_function("() => document.activeElement.id === 'scan'")
    page.get_by_role("button", name="ログアウト").click()
    # Except while a question is open.
    expect(page.locator(".no")).to_be_focused()

    scan(page, station.parents[0])

    assert await_feedback(page, "good").startswith("保護者1さん"), "a scan is no answer to the question"
    expect(page.locator("#question")).to_be_hidden()
    page.wait_for_function("() => document.activeElement.id === 'scan'")


def test_logging_out_forgets_names_and_token_and_ends_the_session(page: Page, station: NurseryStation) -> None:
    page.get_by_role("button", name="ログアウト").click()
    page.get_by_role("button", name="ログアウトする").click()
    page.wait_for_url("**/entry-exit-login")

    assert page.evaluate("localStorage.getItem('genba.station.session')") is None
    names = page.evaluate(
        "import('/entry-exit-station/store.js').then((store) =>"
        " store.within(['roster'], 'readonly', (of) => store.done(of('roster').count())))"
    )
    assert names == 0
    with station.service.http() as http:
        response = http.post("/api/auth/heartbeat", headers={"Authorization": f"Bearer {station.session['token']}"})
    assert response.status_code == 401


def test_a_heartbeat_is_sent_every_30_seconds_and_its_token_is_stored(
    chromium: Browser, station: NurseryStation
) -> None:
    context = station.context(chromium, offline=True)
    page = context.new_page()
    page.clock.install()
    heartbeats: list[str] = []
    page.on(
        "request",
        lambda request: heartbeats.append(request.url) if request.url.endswith("/api/auth/heartbeat") else None,
    )
    page.goto(f"{station.url}/entry-exit-registration")
    page.wait_for_selector("#state.online")
    first_count = len(heartbeats)
    # A token contains the second of its creation.
    second = int(time.time())
    wait_for(lambda: int(time.time()) > second)
    session_before = page.evaluate("localStorage.getItem('genba.station.session')")
    page.clock.run_for(30_000)
    page.wait_for_function("(before) => localStorage.getItem('genba.station.session') !== before", arg=session_before)

    assert (first_count, len(heartbeats)) == (1, 2)
    context.close()


def test_a_parent_who_is_new_is_greeted_by_the_service_and_from_then_on_without_it(
    page: Page, station: NurseryStation
) -> None:
    with station.service.committed() as db:
        db.add(parent := Parent(nursery_id=station.nursery_id, name="新田香", updated_at=datetime.now(UTC)))
        db.flush()
        number = parent.id
    scan(page, number)
    assert await_feedback(page, "good") == "新田香さん。おはようございます。"
    page.evaluate("import('/entry-exit-station/heartbeat.js').then(({ beat }) => beat())")
    wait_until(
        page, f"() => import('/entry-exit-station/roster.js').then((roster) => roster.nameOf('{number}') === '新田香')"
    )

    assert [row[0] for row in station.rows()] == [number]


def test_a_new_day_begins_with_entries(chromium: Browser, station: NurseryStation) -> None:
    context = station.context(chromium)
    page = context.new_page()
    page.clock.install(time="2026-01-14T18:00:00+09:00")
    page.goto(f"{station.url}/entry-exit-registration")
    page.wait_for_selector("body[data-ready]")
    page.get_by_role("button", name="出", exact=True).click()
    page.reload()
    expect(page.get_by_role("button", name="出", exact=True)).to_have_attribute("aria-pressed", "true")
    page.clock.set_system_time("2026-01-15T07:00:00+09:00")

    expect(page.get_by_role("button", name="入", exact=True)).to_have_attribute("aria-pressed", "true")
    context.close()


def test_the_screen_is_kept_on_also_after_it_was_away(chromium: Browser, station: NurseryStation) -> None:
    context = station.context(chromium)
    context.grant_permissions(["screen-wake-lock"])
    context.add_init_script(
        """self.asked = 0;
        const request = navigator.wakeLock.request.bind(navigator.wakeLock);
        navigator.wakeLock.request = async (kind) => {
          self.asked += 1;
          return (self.lock = await request(kind));
        };"""
    )
    page = open_station(context, station)
    page.wait_for_function("() => self.lock && !lock.released")
    page.evaluate("lock.release().then(() => dispatchEvent(new Event('visibilitychange')))")

    page.wait_for_function("() => asked >= 2 && !lock.released")
    context.close()


def test_an_ipad_is_tapped_once_before_the_first_scan(chromium: Browser, station: NurseryStation) -> None:
    context = chromium.new_context(
        viewport=TABLET,  # type: ignore[arg-type]  # a size
        user_agent="Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1",
        service_workers="block",
        storage_state=station.state(),  # type: ignore[arg-type]  # as Playwright writes it
    )
    page = open_station(context, station)
    page.get_by_role("button", name="タップして開始").click()
    expect(page.get_by_role("button", name="タップして開始")).to_be_hidden()
    scan(page, station.parents[0])

    assert await_feedback(page, "good").startswith("保護者1さん")
    context.close()


def test_the_station_is_an_app_of_its_own_under_a_policy_that_runs_only_its_files(
    chromium: Browser, station: NurseryStation
) -> None:
    context = station.context(chromium, offline=True)
    console_messages: list[str] = []
    context.on("console", lambda message: console_messages.append(message.text))
    page = open_station(context, station)
    await_worker(page)
    with station.service.http() as http:
        response = http.get("/entry-exit-registration")
        manifest = http.get(f"{PATH}/station.webmanifest")
        icons = [http.get(icon["src"]) for icon in manifest.json()["icons"]]

    policy = response.headers["Content-Security-Policy"]
    assert "worker-src 'self'" in policy
    assert "unsafe" not in policy
    assert manifest.headers["Content-Type"] == "application/manifest+json"
    assert (manifest.json()["orientation"], manifest.json()["start_url"]) == ("landscape", "/entry-exit-registration")
    assert [icon.status_code for icon in icons] == [200] * 3
    scope = page.evaluate("navigator.serviceWorker.getRegistration().then((found) => found.scope)")
    assert scope == f"{station.url}/entry-exit-"
    assert console_messages == []
    context.close()
