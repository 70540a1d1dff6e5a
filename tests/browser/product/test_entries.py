"""入退管理 at a desk: what only a real browser shows."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.chromium import carry, token
from tests.stack import Stack
from tests.waiting import wait_for

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def staff(stack: Stack) -> str:
    return token(stack, "entries-staff")


@pytest.fixture
def at(page: Page, context: BrowserContext, stack: Stack, staff: str) -> Open:
    carry(context, stack, staff)

    def opened(where: str) -> Page:
        page.goto(f"{stack.dashboards}/{where}")
        expect(page.locator("h1")).to_be_visible()
        return page

    return opened


def downloaded(page: Page, stack: Stack, address: str) -> bytes:
    answer = page.request.get(f"{stack.dashboards}/download/api/entries/{address}")
    assert answer.status == 200
    return answer.body()


def newest(page: Page, stack: Stack) -> dict[str, str]:
    """The log's first row; the demo scans on weekdays alone."""
    return next(csv.DictReader(downloaded(page, stack, "logs.csv").decode("utf-8-sig").splitlines()))


def test_the_documents_address_leads_to_the_log(at: Open) -> None:
    page = at("desktop/entry-exit-logs")
    expect(page.locator("h1")).to_have_text("入退管理ログ")
    assert page.url.endswith("/entry-exit-logs")
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()


def test_pointing_at_the_moments_shows_the_days_history_and_a_click_all_of_it(at: Open, stack: Stack) -> None:
    row = newest(at("attendance"), stack)
    day, clock = row["日時"].split()
    page = at(f"attendance?day={day}")

    moments = page.get_by_test_id("stButton").get_by_role("button").filter(has_text=clock[:5]).first
    tooltip = page.get_by_role("tooltip")

    def points() -> bool:
        """Again where the page was drawn anew below the pointer."""
        page.mouse.move(0, 0)
        moments.hover()
        tooltip.wait_for(timeout=5_000)
        return tooltip.is_visible()

    wait_for(points, "nothing appears at the pointer", passing=PlaywrightTimeout)
    expect(tooltip).to_contain_text("送り迎え履歴")
    expect(tooltip).to_contain_text(f"保護者: {row['保護者名']}")
    expect(tooltip).to_contain_text(f"{clock} {'入（登園）' if row['入/出'] == '入' else '出（降園）'}")

    moments.click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text(clock)).to_be_visible()
    drawer.get_by_role("link", name="詳細レポート").click()
    expect(page.locator("h1")).to_have_text("詳細レポート")
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    month = date.fromisoformat(day)
    expect(page.get_by_text(f"{month.year}年{month.month}月に")).to_be_visible()


def test_the_paper_list_is_there_for_an_outage(at: Open, stack: Stack) -> None:
    page = at("in-nursery")
    expect(page.get_by_role("link", name="紙の入退台帳（PDF）")).to_be_visible()
    assert downloaded(page, stack, "paper-list.pdf").startswith(b"%PDF")


def test_a_days_presence_is_written_and_the_address_keeps_the_day(at: Open, stack: Stack) -> None:
    page = at("attendance?day=2026-11-04&class_name=きりん組")
    page.get_by_role("button", name="編集").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("遅刻", exact=True).click()
    dialog.get_by_label("備考").fill("通院のため")
    dialog.get_by_role("button", name="保存する").click()
    # The field it was typed into says so too, until it is stored.
    expect(dialog).to_have_count(0)

    expect(page.get_by_text("通院のため")).to_be_visible()
    assert "day=2026-11-04" in page.url
    page.reload()
    expect(page.get_by_text("通院のため")).to_be_visible()


def test_the_rush_is_drawn(at: Open) -> None:
    page = at("entries-statistics")
    expect(page.get_by_text("が最も混み合いました。")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_be_visible()
