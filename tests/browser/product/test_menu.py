"""The menu in a real browser: soft navigation, folding by keyboard, and a phone, where it covers the page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.chromium import PHONE, get_session_token, set_session_cookies, wait_until_rendered
from tests.stack import Stack


@pytest.fixture
def admin(context: BrowserContext, page: Page, stack: Stack) -> Page:
    """An administrator of everything, on a page of 端末管理. A reload would lose the mark."""
    set_session_cookies(context, stack, get_session_token(stack, "admin"))
    page.goto(f"{stack.dashboards}/customers")
    wait_until_rendered(page)
    page.evaluate("window.isMarked = true")
    return page


def menu(page: Page) -> Locator:
    return page.get_by_test_id("stSidebar")


def entry(page: Page, title: str) -> Locator:
    return menu(page).get_by_role("link", name=title)


def area(page: Page, title: str) -> Locator:
    return menu(page).locator("summary").filter(has_text=title)


def test_a_page_of_the_menu_opens_without_a_reload_and_the_back_button_leads_back(admin: Page) -> None:
    entry(admin, "端末一覧").click()
    expect(admin).to_have_url(re.compile("/terminals$"))
    expect(admin.get_by_role("heading", name="端末一覧")).to_be_visible()
    assert entry(admin, "端末一覧").get_attribute("href"), "a true link: a middle click opens a new tab"

    admin.go_back()
    expect(admin.get_by_role("heading", name="顧客一覧")).to_be_visible()
    assert admin.evaluate("window.isMarked")


def test_an_area_is_folded_by_keyboard_and_stays_as_it_was_left(admin: Page) -> None:
    expect(entry(admin, "貸出状況")).to_have_count(0)
    area(admin, "代替機管理").focus()
    admin.keyboard.press("Enter")
    expect(entry(admin, "貸出状況")).to_be_visible()
    expect(area(admin, "代替機管理")).to_be_focused()
    wait_until_rendered(admin)

    admin.reload()
    expect(entry(admin, "貸出状況")).to_be_visible()
    expect(entry(admin, "端末一覧")).to_be_visible()

    area(admin, "代替機管理").press("Enter")
    expect(entry(admin, "貸出状況")).to_be_hidden()
    wait_until_rendered(admin)
    admin.reload()
    expect(entry(admin, "端末一覧")).to_be_visible()
    expect(entry(admin, "貸出状況")).to_have_count(0)


def test_a_favourite_stands_on_top_until_it_is_unmarked(admin: Page) -> None:
    menu(admin).get_by_role("button", name="お気に入りに追加").click()
    expect(entry(admin, "顧客一覧")).to_have_count(2)

    menu(admin).get_by_role("button", name="お気に入りから外す").click()
    expect(entry(admin, "顧客一覧")).to_have_count(1)
    assert admin.evaluate("window.isMarked")


def test_on_a_phone_the_number_of_what_waits_is_in_sight_and_the_menu_closes_when_a_page_was_chosen(
    admin: Page,
) -> None:
    due = admin.get_by_test_id("stMain").get_by_role("link", name=re.compile("^.*要対応"))
    expect(due).to_be_hidden()  # on a desk the numbers are in the menu

    admin.set_viewport_size(PHONE)
    expect(due).to_be_visible()
    box = due.bounding_box()
    assert box is not None
    assert box["y"] < 60, "in the page's head"
    assert box["height"] >= 40

    admin.get_by_role("button", name="メニューを開く").click()
    entry(admin, "端末一覧").click()
    expect(admin.get_by_role("heading", name="端末一覧")).to_be_visible()
    expect(menu(admin)).to_have_attribute("data-collapsed", "true")
    expect(entry(admin, "端末一覧")).not_to_be_in_viewport()
    assert admin.evaluate("window.isMarked")
