"""端末管理 in a real browser: what only a browser can show of the pages that people work with all day."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.chromium import carry, token
from tests.pictures import picture
from tests.stack import Stack

Open = Callable[..., Page]
# Terminals that no other test looks at.
PHOTOGRAPHED, EDITED, CUSTOMER = 80, 81, "XYZ商店"
# Pages, and how many lists there are at least on each.
LISTS = {
    "dashboard": 2,
    "alerts": 1,
    "customers": 1,
    "terminals": 1,
    "enrolments": 1,
    "firmware": 1,
    "reports": 1,
    "messages": 1,
    "users": 1,
    "audit": 1,
    "system": 2,
    "entry-exit-logs": 1,
    "parents": 1,
    "children": 1,
    "nurseries": 1,
    "agencies": 1,
    "agencies-masters": 1,
    "agencies-masters?part=オプションサービス": 1,
    "agencies-masters?part=元フィールド": 1,
    "attendance-report?child_id=山田太郎（きりん組）": 1,
    f"terminal?id={PHOTOGRAPHED}&view=本体・トークン": 1,
}
# What of each list lies to the right of what is seen, in pixels; nothing yet while one is still being drawn.
HIDDEN = """() => {
    const shown = [...document.querySelectorAll('[data-testid=stDataFrame]')]
        .map((list) => list.querySelector('.dvn-scroller'));
    return shown.every((one) => one?.clientWidth) && shown.map((one) => one.scrollWidth - one.clientWidth);
}"""
# Browsers fetch and read five megabytes before the first chart.
FIRST_CHART_MS = 60_000


@pytest.fixture(scope="module")
def admin(stack: Stack) -> str:
    return token(stack, "admin")


@pytest.fixture
def desk(context: BrowserContext, stack: Stack, admin: str) -> BrowserContext:
    carry(context, stack, admin)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    return context


@pytest.fixture
def at(page: Page, desk: BrowserContext, stack: Stack) -> Open:
    """at("firmware") → that page."""

    def opened(where: str, tab: Page = page) -> Page:
        tab.goto(f"{stack.dashboards}/{where}")
        expect(tab.get_by_role("link", name="ログアウト")).to_be_visible()
        expect(tab.locator("h1")).to_be_visible()
        return tab

    return opened


def press(page: Page | Locator, word: str) -> None:
    page.get_by_role("button", name=word, exact=True).first.click()


def open_first_row(page: Page) -> Locator:
    """The drawer that the action of a list's first row opens, its last column. As a person does: who presses while the
    list is still being drawn anew presses once more."""
    drawer = page.get_by_role("dialog")
    for _ in range(3):
        box = page.get_by_test_id("stDataFrame").first.locator("canvas").first.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] - 28, box["y"] + 17 + 35)
        with suppress(AssertionError):
            expect(drawer).to_be_visible(timeout=4_000)
            break
    return drawer


def test_a_photo_of_the_place_is_added_and_shown(at: Open, tmp_path: Path) -> None:
    page = at(f"terminal?id={PHOTOGRAPHED}&view=本体・トークン")
    expect(page.get_by_text("設置写真はまだありません。")).to_be_visible()

    photo = tmp_path / "配線.jpg"
    photo.write_bytes(picture(gps=True))
    page.locator("input[type=file]").set_input_files(photo)
    press(page, "1枚を設置写真に登録する")

    shown = page.get_by_role("button", name="配線.jpg を拡大する").locator("img")
    expect(shown).to_be_visible()
    assert shown.evaluate("async (image) => { await image.decode(); return image.naturalWidth; }") > 0


@pytest.mark.deep
def test_a_bundle_is_asked_for_and_downloaded(at: Open) -> None:
    page = at("terminal?id=1&view=診断")
    press(page, "診断ファイルを取得する")

    with page.expect_download() as downloading:
        page.get_by_role("link", name="診断ファイルをダウンロード").first.click()

    assert downloading.value.path().read_bytes()[:2] == b"PK"


def test_a_code_is_shown_once_and_copied(at: Open) -> None:
    page = at("enrolments")
    press(page, "登録コードを発行する")
    press(page.get_by_role("dialog"), "発行する")
    code = page.get_by_test_id("stCode").first
    expect(code).to_have_text(re.compile(r"^([0-9A-Z]{4}-){3}[0-9A-Z]{4}$"))

    code.hover()
    code.get_by_role("button").click()

    assert page.evaluate("() => navigator.clipboard.readText()") == code.inner_text().strip()
    press(page, "控えました")
    expect(page.get_by_role("dialog")).to_have_count(0)


# Where the words of each chart's axis begin and end, all in one look: a chart may be drawn anew at any moment.
AXES = """() => [...document.querySelectorAll(".js-plotly-plot:has(.gtitle)")].map(
    chart => [...chart.querySelectorAll(".xtick text")].map(
        word => [word.getBoundingClientRect().left, word.getBoundingClientRect().right]))"""


@pytest.mark.deep
def test_the_charts_are_drawn_and_their_axes_can_be_read(at: Open) -> None:
    page = at(f"terminal?id={PHOTOGRAPHED}&view=推移")
    charts = page.locator(".js-plotly-plot")
    expect(charts.locator(".gtitle")).to_have_count(4, timeout=FIRST_CHART_MS)
    expect(charts.first.locator(".gtitle")).to_contain_text("CPU使用率は平均")

    for places in page.evaluate(AXES):
        assert len(places) >= 2
        assert all(end < begin for (_, end), (begin, _) in pairwise(places))


@pytest.mark.deep
def test_who_saves_too_late_sees_both_versions_and_decides(at: Open, desk: BrowserContext) -> None:
    first, second = (at(f"terminal?id={EDITED}", desk.new_page()) for _ in range(2))
    for tab in (first, second):
        press(tab, "編集する")
        expect(tab.get_by_role("dialog").get_by_label("設置店舗名")).to_be_visible()
    first.get_by_role("dialog").get_by_label("設置店舗名").fill("立川店 入口")
    press(first.get_by_role("dialog"), "保存する")
    expect(first.get_by_role("heading", level=1)).to_contain_text("立川店 入口")

    second.get_by_role("dialog").get_by_label("設置店舗名").fill("立川店 出口")
    press(second.get_by_role("dialog"), "保存する")

    both = second.get_by_role("dialog", name="ほかの人が先に変更しました")
    expect(both).to_contain_text("立川店 入口")
    expect(both).to_contain_text("立川店 出口")
    press(both, "自分の入力を残す")
    typed = second.get_by_role("dialog").get_by_label("設置店舗名")
    expect(typed).to_have_value("立川店 出口")
    press(second.get_by_role("dialog"), "保存する")
    expect(second.get_by_role("heading", level=1)).to_contain_text("立川店 出口")


@pytest.mark.deep
def test_a_roll_out_is_planned_started_and_followed(at: Open) -> None:
    page = at("firmware")
    press(page, "配信を作成する")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("顧客").click()
    page.get_by_role("option", name=CUSTOMER).click()
    expect(dialog.get_by_text("対象は 31台")).to_be_visible()
    dialog.get_by_label("配信の名前").fill("秋の更新")
    press(dialog, "下書きを作成する")
    expect(page.get_by_text("下書き 1件")).to_be_visible()

    drawer = open_first_row(page)
    press(drawer, "配信を開始する")
    press(drawer, "開始する")

    expect(page.get_by_text("1件の配信が進んでいます。")).to_be_visible()


@pytest.mark.parametrize("asked", [2, pytest.param(len(LISTS), marks=pytest.mark.deep)])
def test_every_list_shows_all_its_columns_and_its_action_at_a_desk(at: Open, asked: int) -> None:
    """Other ones each day."""
    for where, least in random.sample([*LISTS.items()], asked):
        page = at(where)
        expect(page.get_by_test_id("stDataFrame").nth(least - 1)).to_be_visible()
        hidden = page.wait_for_function(HIDDEN).json_value()
        assert not [pixels for pixels in hidden if pixels > 0], where
