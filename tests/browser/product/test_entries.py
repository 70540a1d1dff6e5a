"""入退管理 at a desk: what only a real browser shows."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.lists import shown_list
from tests.chromium import get_session_token, set_session_cookies
from tests.stack import Stack

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def staff(stack: Stack) -> str:
    return get_session_token(stack, "entries-staff")


@pytest.fixture
def open_page(page: Page, context: BrowserContext, stack: Stack, staff: str) -> Open:
    set_session_cookies(context, stack, staff)

    def open_path(path: str) -> Page:
        page.goto(f"{stack.dashboards}/{path}")
        expect(page.locator("h1")).to_be_visible()
        return page

    return open_path


def download(page: Page, stack: Stack, path: str) -> bytes:
    response = page.request.get(f"{stack.dashboards}/download/api/entries/{path}")
    assert response.status == 200
    return response.body()


def newest(page: Page, stack: Stack) -> dict[str, str]:
    """The newest row of さくら保育園 in the log; the demo has its scans on weekdays only."""
    rows = csv.DictReader(download(page, stack, "logs.csv").decode("utf-8-sig").splitlines())
    return next(row for row in rows if row["保育園名"] == "さくら保育園")


def test_the_documents_url_leads_to_the_log(open_page: Open) -> None:
    page = open_page("desktop/entry-exit-logs")
    expect(page.locator("h1")).to_have_text("入退管理ログ")
    assert page.url.endswith("/entry-exit-logs")
    expect(shown_list(page)).to_be_visible()


def test_hovering_over_the_times_shows_the_days_history_and_a_click_all_of_it(open_page: Open, stack: Stack) -> None:
    row = newest(open_page("attendance"), stack)
    day, time_text = row["日時"].split()
    page = open_page(f"attendance?day={day}")

    line = (
        shown_list(page)
        .locator("tbody tr")
        .filter(has=page.get_by_title("送り迎え履歴"))
        .filter(has_text=time_text[:5])
        .first  # Siblings who came together have the same.
    )
    hint = line.get_by_title("送り迎え履歴").get_attribute("title") or ""
    assert f"保護者: {row['保護者名']}" in hint
    assert f"{time_text} {'入（登園）' if row['入/出'] == '入' else '出（降園）'}" in hint

    line.get_by_label("ほかの操作").click()
    page.get_by_role("button", name="送り迎え履歴").click()
    drawer = page.get_by_role("dialog")
    expect(drawer.get_by_text(time_text)).to_be_visible()
    drawer.get_by_role("link", name="詳細レポート").click()
    expect(page.locator("h1")).to_have_text("詳細レポート")
    expect(shown_list(page)).to_be_visible()
    month = date.fromisoformat(day)
    expect(page.get_by_text(f"{month.year}年{month.month}月に")).to_be_visible()


def test_the_paper_list_is_there_for_an_outage(open_page: Open, stack: Stack) -> None:
    page = open_page("in-nursery")
    expect(page.get_by_role("link", name="紙の入退台帳（PDF）")).to_be_visible()
    assert download(page, stack, "paper-list.pdf").startswith(b"%PDF")


def test_a_days_attendance_is_saved_and_the_url_keeps_the_day(open_page: Open, stack: Stack) -> None:
    page = open_page("attendance?day=2026-11-04&class_name=きりん組")
    page.get_by_role("button", name="編集").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("遅刻", exact=True).click()
    dialog.get_by_label("備考").fill("通院のため")
    dialog.get_by_role("button", name="保存する").click()
    # The dialog's own field also contains the text, until it is stored.
    expect(dialog).to_have_count(0)

    expect(page.get_by_text("通院のため")).to_be_visible()
    assert "day=2026-11-04" in page.url
    page.reload()
    expect(page.get_by_text("通院のため")).to_be_visible()


def test_the_rush_is_drawn(open_page: Open) -> None:
    page = open_page("entries-statistics")
    expect(page.get_by_text("が最も混み合いました。")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_be_visible()
