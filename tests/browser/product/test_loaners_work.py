"""代替機管理 at a desk and in the storeroom: lists that load in time, and a stocktake with a scanner."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from stack import servers
from tests.chromium import PHONE, TABLET, mobile_context, wait_until_rendered
from tests.rls_bypass import rls_bypass_url
from tests.stack import Stack


@pytest.fixture(params=[pytest.param(TABLET, marks=pytest.mark.deep, id="tablet"), pytest.param(PHONE, id="phone")])
def storeroom(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = mobile_context(chromium, request.param)
    yield context.new_page()
    context.close()


def rows(stack: Stack, statement: str, *values: object) -> list[tuple[object, ...]]:
    with psycopg.connect(rls_bypass_url(servers.url(stack.home, "app"))) as connection:
        return connection.execute(statement, list(values)).fetchall()


def sign_in(page: Page, stack: Stack, path: str, login_id: str) -> None:
    page.goto(f"{stack.dashboards}{path}")
    page.get_by_label("ログインID").fill(login_id)
    page.get_by_label("パスワード", exact=True).fill("genba-demo")
    page.get_by_role("button", name="ログインする").click()


def start_stocktake(page: Page, room: str) -> None:
    """Starts a stocktake of 大阪."""
    page.get_by_role("button", name="棚卸を始める").click()
    page.get_by_role("dialog").get_by_role("combobox").click()
    page.get_by_role("option", name="大阪").click()
    page.get_by_label("部屋").fill(room)
    page.get_by_role("button", name="始める", exact=True).click()


def counted_codes(stack: Stack, room: str) -> list[tuple[object, ...]]:
    return rows(
        stack,
        "SELECT c.scanned, c.expected FROM loaners_counted c JOIN loaners_stocktakes s ON s.id = c.stocktake_id "
        "WHERE s.room = %s AND c.scanned_at IS NOT NULL ORDER BY c.scanned_at",
        room,
    )


@pytest.mark.deep
def test_a_scanner_types_into_a_field_that_has_the_focus(storeroom: Page, stack: Stack) -> None:
    room = f"倉庫{time.time_ns()}"
    [(number, model)] = rows(
        stack,
        "SELECT d.number, m.name FROM loaners_devices d JOIN loaners_models m ON m.id = d.model_id "
        "JOIN loaners_states s ON s.device_id = d.id AND upper_inf(s.during) JOIN loaners_sites t ON t.id = s.site_id "
        "WHERE t.key = 'osaka' AND s.status = 3 AND NOT s.is_archived ORDER BY d.number LIMIT 1",
    )
    sign_in(storeroom, stack, "/stocktakes", "loaners-auditor")
    start_stocktake(storeroom, room)

    expect(storeroom.get_by_placeholder("QRコードをスキャン、または拠点管理番号を入力")).to_be_focused()
    storeroom.keyboard.type(f"https://genba.example/d/{number}\n", delay=5)
    expect(storeroom.get_by_text(f"{number}（{model}） を確認しました。")).to_be_visible()
    # The next scan, without a touch in between.
    storeroom.keyboard.type("ZZZ-999\n", delay=5)
    expect(storeroom.get_by_text("ZZZ-999 は登録されていない番号です。")).to_be_visible()
    storeroom.locator("h1").click()
    expect(storeroom.get_by_placeholder("QRコードをスキャン、または拠点管理番号を入力")).to_be_focused()
    widths = storeroom.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1], "the page is wider than its screen"

    assert counted_codes(stack, room) == [(number, True), ("ZZZ-999", False)]


def test_scans_that_come_faster_than_the_service_answers_are_all_stored(storeroom: Page, stack: Stack) -> None:
    room = f"倉庫{time.time_ns()}"
    sign_in(storeroom, stack, "/stocktakes", "loaners-auditor")
    start_stocktake(storeroom, room)
    field = storeroom.get_by_placeholder("QRコードをスキャン、または拠点管理番号を入力")
    expect(field).to_be_focused()
    codes = [f"BURST-{number:02}" for number in range(6)]

    with psycopg.connect(rls_bypass_url(servers.url(stack.home, "app"))) as connection:
        # Scans wait for this transaction.
        connection.execute("SELECT FROM loaners_stocktakes WHERE room = %s FOR UPDATE", [room])
        for code in codes:
            storeroom.keyboard.type(f"{code}\n", delay=2)
        expect(storeroom.get_by_text("登録待ち: 6件")).to_be_visible()
        assert counted_codes(stack, room) == []
        time.sleep(2)  # the first response takes that long
        connection.rollback()

    expect(storeroom.get_by_text("BURST-05 は登録されていない番号です。")).to_be_visible()
    expect(storeroom.get_by_text("登録待ち")).to_be_hidden()
    assert counted_codes(stack, room) == [(code, False) for code in codes]
    expect(field).to_have_value("")


@pytest.mark.deep
@pytest.mark.parametrize("storeroom", [PHONE], indirect=True, ids=["phone"])
def test_scans_while_the_service_is_down_are_stored_when_it_is_back(storeroom: Page, stack: Stack) -> None:
    room = f"倉庫{time.time_ns()}"
    sign_in(storeroom, stack, "/stocktakes", "loaners-auditor")
    start_stocktake(storeroom, room)
    expect(storeroom.get_by_placeholder("QRコードをスキャン、または拠点管理番号を入力")).to_be_focused()

    os.kill(stack.pid("service"), signal.SIGKILL)
    storeroom.keyboard.type("AWAY-1\nAWAY-2\n", delay=2)
    expect(storeroom.get_by_text("つながり次第、自動で登録します。")).to_be_visible()
    expect(storeroom.get_by_text("登録待ち: 2件")).to_be_visible()

    expect(storeroom.get_by_text("登録待ち")).to_be_hidden()
    assert counted_codes(stack, room) == [("AWAY-1", False), ("AWAY-2", False)]


def test_a_number_of_the_summary_leads_to_its_rows(page: Page, stack: Stack) -> None:
    sign_in(page, stack, "/loaners-summary", "loaners-staff")
    expect(page.locator("h1")).to_have_text("サマリー")
    wait_until_rendered(page)
    first = page.locator("td a").first
    count = first.inner_text()

    first.click()

    expect(page.locator("h1")).to_have_text("機器一覧")
    expect(page.get_by_text(f"該当 {count}台")).to_be_visible()
