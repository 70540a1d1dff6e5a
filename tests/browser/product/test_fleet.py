"""端末管理 in a real browser: what only a browser can show of the staff's daily pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.lists import open_row
from tests.chromium import get_session_token, set_session_cookies
from tests.pictures import picture
from tests.stack import Stack

Open = Callable[..., Page]
# Terminals that no other test uses.
PHOTOGRAPHED, EDITED, CUSTOMER = 80, 81, "XYZ商店"
# The browser loads five megabytes before the first chart.
FIRST_CHART_MS = 60_000


@pytest.fixture(scope="module")
def admin(stack: Stack) -> str:
    return get_session_token(stack, "admin")


@pytest.fixture
def desk(context: BrowserContext, stack: Stack, admin: str) -> BrowserContext:
    set_session_cookies(context, stack, admin)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    return context


@pytest.fixture
def open_page(page: Page, desk: BrowserContext, stack: Stack) -> Open:
    """open_page("firmware") opens that page."""

    def open_path(path: str, tab: Page = page) -> Page:
        tab.goto(f"{stack.dashboards}/{path}")
        expect(tab.get_by_role("link", name="ログアウト")).to_be_visible()
        expect(tab.locator("h1")).to_be_visible()
        return tab

    return open_path


def press(page: Page | Locator, button_name: str) -> None:
    page.get_by_role("button", name=button_name, exact=True).first.click()


def test_a_photo_of_the_place_is_added_and_shown(open_page: Open, tmp_path: Path) -> None:
    page = open_page(f"terminal?id={PHOTOGRAPHED}&view=本体・トークン")
    expect(page.get_by_text("設置写真はまだありません。")).to_be_visible()

    photo = tmp_path / "配線.jpg"
    photo.write_bytes(picture(gps=True))
    page.locator("input[type=file]").set_input_files(photo)
    press(page, "1枚を設置写真に登録する")

    image = page.get_by_role("button", name="配線.jpg を拡大する").locator("img")
    expect(image).to_be_visible()
    assert image.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }") > 0


@pytest.mark.deep
def test_a_bundle_is_requested_and_downloaded(open_page: Open) -> None:
    page = open_page("terminal?id=1&view=診断")
    press(page, "診断ファイルを取得する")

    with page.expect_download() as download:
        page.get_by_role("link", name="診断ファイルをダウンロード").first.click()

    assert download.value.path().read_bytes()[:2] == b"PK"


def test_a_code_is_shown_once_and_copied(open_page: Open) -> None:
    page = open_page("enrolments")
    press(page, "登録コードを発行する")
    press(page.get_by_role("dialog"), "発行する")
    code = page.get_by_test_id("stCode").first
    expect(code).to_have_text(re.compile(r"^([0-9A-Z]{4}-){3}[0-9A-Z]{4}$"))

    code.hover()
    code.get_by_role("button").click()

    assert page.evaluate("() => navigator.clipboard.readText()") == code.inner_text().strip()
    press(page, "控えました")
    expect(page.get_by_role("dialog")).to_have_count(0)


# Where the labels of each chart's axis begin and end, read at once, because a chart may be redrawn at any time.
AXES = """() => [...document.querySelectorAll(".js-plotly-plot:has(.gtitle)")].map(
    chart => [...chart.querySelectorAll(".xtick text")].map(
        word => [word.getBoundingClientRect().left, word.getBoundingClientRect().right]))"""


@pytest.mark.deep
def test_the_charts_are_drawn_and_their_axes_can_be_read(open_page: Open) -> None:
    page = open_page(f"terminal?id={PHOTOGRAPHED}&view=推移")
    charts = page.locator(".js-plotly-plot")
    expect(charts.locator(".gtitle")).to_have_count(4, timeout=FIRST_CHART_MS)
    expect(charts.first.locator(".gtitle")).to_contain_text("CPU使用率は平均")

    for labels in page.evaluate(AXES):
        assert len(labels) >= 2
        assert all(end < start for (_, end), (start, _) in pairwise(labels))


@pytest.mark.deep
def test_a_stale_edit_shows_both_versions_and_the_user_decides(open_page: Open, desk: BrowserContext) -> None:
    first, second = (open_page(f"terminal?id={EDITED}", desk.new_page()) for _ in range(2))
    for tab in (first, second):
        press(tab, "編集する")
        expect(tab.get_by_role("dialog").get_by_label("設置店舗名")).to_be_visible()
    first.get_by_role("dialog").get_by_label("設置店舗名").fill("立川店 入口")
    press(first.get_by_role("dialog"), "保存する")
    expect(first.get_by_role("heading", level=1)).to_contain_text("立川店 入口")

    second.get_by_role("dialog").get_by_label("設置店舗名").fill("立川店 出口")
    press(second.get_by_role("dialog"), "保存する")

    conflict = second.get_by_role("dialog", name="ほかの人が先に変更しました")
    expect(conflict).to_contain_text("立川店 入口")
    expect(conflict).to_contain_text("立川店 出口")
    press(conflict, "自分の入力を残す")
    typed = second.get_by_role("dialog").get_by_label("設置店舗名")
    expect(typed).to_have_value("立川店 出口")
    press(second.get_by_role("dialog"), "保存する")
    expect(second.get_by_role("heading", level=1)).to_contain_text("立川店 出口")


@pytest.mark.deep
def test_a_roll_out_is_planned_started_and_followed(open_page: Open) -> None:
    page = open_page("firmware")
    press(page, "配信を作成する")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("顧客").click()
    page.get_by_role("option", name=CUSTOMER).click()
    expect(dialog.get_by_text("対象は 31台")).to_be_visible()
    dialog.get_by_label("配信の名前").fill("秋の更新")
    press(dialog, "下書きを作成する")
    expect(page.get_by_text("下書き 1件")).to_be_visible()

    drawer = open_row(page)
    press(drawer, "配信を開始する")
    press(drawer, "開始する")

    expect(page.get_by_text("1件の配信が進んでいます。")).to_be_visible()
