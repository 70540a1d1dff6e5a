"""部品一覧 in a real browser: how users use the widgets, and that nothing there is left in English."""

from __future__ import annotations

import json
import os
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from dashboards.gallery import PARTS
from dashboards.gallery.written import TYPED
from dashboards.ui.text import addresses, visible
from tests.browser.lists import open_row, row, shown_list
from tests.chromium import PHONE, wait_until_rendered
from tests.processes import free_port, running_command

# Names, formats and numbers of the samples; everything else is Japanese.
ALLOWED = re.compile(
    r"TC200|ABC|XYZ|Genba|JPEG|PNG|WebP|PDF|CSV|SMS|CPU|QRV|STOP|Enter|Esc|terminals\.csv|\.svg|\.pdf|[\d.]+[KM]B|[0-9a-f]{12}"
)
# The samples of this part are addresses, HTML and formulas.
WRITTEN = "人が書いた文"
# Every text and label that a user sees or hears, in components too; symbols are ligatures of English words.
WORDS_ON_SCREEN = """() => {
    const found = [];
    const walk = (root) => {
        for (const element of root.querySelectorAll("*")) {
            if (element.shadowRoot) walk(element.shadowRoot);
            if (element.closest("script, style, noscript, [data-testid=stIconMaterial], [translate=no], [role=img]"))
                continue;
            for (const name of ["aria-label", "title", "placeholder", "alt"]) found.push(element.getAttribute(name));
            for (const node of element.childNodes) if (node.nodeType === Node.TEXT_NODE) found.push(node.data);
        }
    };
    walk(document.body);
    return found.filter(Boolean);
}"""


@pytest.fixture(scope="module")
def gallery_url() -> Iterator[str]:
    """What `make widgets` starts."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command, environ = [sys.executable, "-m", "dashboards.gallery"], {"GENBA_MODE": "demo", "GALLERY_PORT": str(port)}
    with running_command(command, os.environ | environ, ready=f"{url}/_stcore/health"):
        yield url


@pytest.fixture
def gallery(page: Page, gallery_url: str) -> Callable[[str], Page]:
    """gallery("表") opens the page at that part."""

    def open_part(part: str) -> Page:
        page.goto(f"{gallery_url}/?part={part}")
        expect(page.get_by_role("heading", name="部品一覧")).to_be_visible()
        expect(page.locator("[class*='st-key-gallery-']").last).to_be_visible()
        wait_until_rendered(page)
        return page

    return open_part


def test_what_people_wrote_is_shown_as_they_wrote_it_and_becomes_no_link_or_picture(
    gallery: Callable[[str], Page],
) -> None:
    page = gallery(WRITTEN)

    shown = page.locator(".st-key-gallery-written-text [data-testid=stMarkdownContainer] p").all_inner_texts()
    assert shown[1:] == [visible(text).replace("\n\n", "\n\u00a0\n") for text in TYPED]
    links = page.locator("[class*='st-key-gallery-written'] a").evaluate_all(
        "(links) => links.map((link) => link.href)"
    )
    assert sorted(set(links)) == ["mailto:hanako@shop.example", "tel:0312345678"]
    assert page.locator("[class*='st-key-gallery-written'] :is(img, s, em, ol, ul, h1, .katex)").count() == 0
    found = len(addresses("\n".join(TYPED)))
    # The addresses can be copied: in a value, in a mail as it was typed, and in an event.
    for place, count in (("facts", 2 * found + 1), ("timeline", found)):
        expect(page.locator(f".st-key-gallery-written-{place}").get_by_test_id("stCode")).to_have_count(count)


def press_title(page: Page, title: str, expected_first: str) -> None:
    shown_list(page).get_by_role("button", name=title).click()
    expect(row(page)).to_contain_text(expected_first)


def english_texts(page: Page) -> list[str]:
    texts: list[str] = page.evaluate(WORDS_ON_SCREEN)
    return sorted({text for text in texts if re.search(r"[A-Za-z]{2}", ALLOWED.sub("", text))})


def test_a_list_is_paged_sorted_by_a_click_and_survives_f5(gallery: Callable[[str], Page]) -> None:
    page = gallery("表")
    expect(row(page)).to_contain_text("TC200-000001")
    expect(page.get_by_label("表示の番号")).to_have_count(2)
    assert not any(number.is_visible() for number in page.get_by_label("表示の番号").all())
    page.get_by_role("button", name="次へ").click()
    expect(page.get_by_text("2 / 41ページ")).to_be_visible()
    expect(row(page)).to_contain_text("TC200-000051")

    press_title(page, "シリアル番号", "TC200-002034")
    expect(page.get_by_text("1 / 41ページ")).to_be_visible()
    press_title(page, "シリアル番号", "TC200-000001")
    press_title(page, "シリアル番号", "TC200-002034")

    page.get_by_label("キーワード").fill("TC200-0019")
    page.keyboard.press("Enter")
    expect(page.get_by_text("該当 100台")).to_be_visible()
    page.get_by_role("button", name="次へ").click()
    expect(page.get_by_text("2 / 2ページ")).to_be_visible()

    page.reload()

    expect(page.get_by_label("キーワード")).to_have_value("TC200-0019")
    expect(page.get_by_text("該当 100台")).to_be_visible()
    expect(page.get_by_text("1 / 2ページ")).to_be_visible()
    expect(row(page)).to_contain_text("TC200-001999")
    page.get_by_role("button", name="条件をクリア").click()
    expect(page.get_by_text("全2,034台")).to_be_visible()
    expect(page).not_to_have_url(re.compile("q="))


def test_on_a_phone_the_conditions_can_be_cleared_while_they_are_folded(gallery: Callable[[str], Page]) -> None:
    page = gallery("表")
    page.set_viewport_size(PHONE)

    page.get_by_label("キーワード").fill("見つからない")
    page.keyboard.press("Enter")
    expect(page.get_by_text("該当 0台")).to_be_visible()
    page.get_by_role("button", name="条件をクリア").click()

    expect(page.get_by_text("全2,034台")).to_be_visible()


def test_a_row_opens_its_drawer_which_stays_while_the_list_refreshes(gallery: Callable[[str], Page]) -> None:
    page = gallery("表")
    expect(row(page)).to_contain_text("TC200-000001")
    drawer = open_row(page, 1)
    expect(drawer).to_contain_text("TC200-000002")
    drawer.get_by_label("メモ").fill("途中まで")
    updated = page.get_by_text(re.compile("最終更新")).first
    text_before = updated.inner_text()
    expect(updated).not_to_have_text(text_before)

    expect(drawer.get_by_label("メモ")).to_have_value("途中まで")


def test_after_an_action_on_several_rows_none_is_chosen(gallery: Callable[[str], Page]) -> None:
    page = gallery("表")
    for number in range(3):
        row(page, number).get_by_role("checkbox").check()
    chosen = shown_list(page).get_by_text("3件を選択中")
    expect(chosen).to_be_visible()
    shown_list(page).get_by_role("region").get_by_role("button", name="再起動する").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("端末3台を再起動しますか？")
    dialog.get_by_role("button", name="再起動する").click()
    expect(dialog).to_contain_text("3件のうち1件はできませんでした。ほかの2件は終わりました。")
    dialog.get_by_role("button", name="閉じる", exact=True).last.click()

    expect(chosen).not_to_be_visible()
    expect(row(page).get_by_role("checkbox")).not_to_be_checked()


def test_a_dangerous_action_asks_for_its_reason_first(gallery: Callable[[str], Page]) -> None:
    page = gallery("確認と競合")
    page.get_by_role("button", name="端末を削除する").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("端末 TC200-000123 を削除しますか？")
    dialog.get_by_role("button", name="削除する").click()
    expect(dialog).to_contain_text("理由を入力してください。")

    dialog.get_by_label("理由").fill("二重に登録したため")
    expect(dialog.get_by_text("Ctrl+Enterキーで確定")).to_be_visible()
    dialog.get_by_role("button", name="削除する").click()

    expect(page.get_by_text("端末 TC200-000123 を削除しました。")).to_be_visible()
    expect(dialog).to_have_count(0)


def test_an_error_is_gone_after_the_dialog_is_closed(gallery: Callable[[str], Page]) -> None:
    page = gallery("確認と競合")
    page.get_by_role("button", name="失敗する操作").click()
    page.get_by_role("button", name="取り消して返金する").click()
    expect(page.get_by_role("dialog")).to_contain_text("サービスに接続できません。")
    wait_until_rendered(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)

    page.get_by_role("button", name="失敗する操作").click()

    expect(page.get_by_role("dialog")).to_contain_text("全額を返金します。")
    expect(page.get_by_role("dialog")).not_to_contain_text("サービスに接続できません。")


def test_a_conflict_is_decided_by_the_user(gallery: Callable[[str], Page]) -> None:
    page = gallery("確認と競合")
    page.get_by_role("button", name="保存する").click()
    expect(page.get_by_role("dialog")).to_contain_text("違う項目は3件です。")

    page.get_by_role("button", name="自分の入力を残す").click()

    expect(page.get_by_text("入力した内容を残しました。")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    from PIL import Image

    path = tmp_path / "検針票.png"
    Image.new("RGB", (320, 200), "#0F5FA8").save(path)
    return path


def test_files_are_sent_shown_enlarged_and_their_ids_reach_the_page(
    gallery: Callable[[str], Page], picture: Path, tmp_path: Path
) -> None:
    page = gallery("ファイル")
    uploads: list[tuple[str, str | None]] = []

    def file_route(route: Route) -> None:
        request = route.request
        if request.method == "PUT":
            uploads.append((request.url, request.headers.get("x-requested-with")))
            if len(uploads) == 1:
                problem = {"detail": "ただいま混み合っています。しばらく待ってから、やり直してください。"}
                route.fulfill(status=503, content_type="application/problem+json", body=json.dumps(problem))
                return
            stored = {"id": "f1", "name": "検針票.png", "size": picture.stat().st_size, "content_type": "image/png"}
            route.fulfill(status=201, content_type="application/json", body=json.dumps(stored))
        else:
            route.fulfill(path=picture)

    page.route("**/files*", file_route)
    page.route("**/files/*", file_route)
    upload = page.locator("[class*='st-key-gallery-upload']").first
    upload.locator("input[type=file]").set_input_files(picture)
    expect(upload.get_by_text("ただいま混み合っています。")).to_be_visible()
    upload.get_by_role("button", name="やり直す").click()
    expect(upload.get_by_text("送信しました")).to_be_visible()
    expect(page.get_by_text("送信済み: 検針票.png")).to_be_visible()
    url, header = uploads[1]
    assert url.endswith("/files?purpose=gallery&name=%E6%A4%9C%E9%87%9D%E7%A5%A8.png")
    assert header == "genba"

    text = tmp_path / "メモ.txt"
    text.write_text("画像ではない")
    upload.locator("input[type=file]").set_input_files(text)
    expect(
        upload.get_by_text("この形式のファイルは登録できません。JPEG・PNG・WebPのファイルを選んでください。")
    ).to_be_visible()
    assert len(uploads) == 2

    upload.get_by_role("button", name="検針票.png を拡大する").click()
    zoom = page.get_by_role("dialog", name="画像の拡大表示")
    expect(zoom).to_be_visible()
    page.keyboard.press("Escape")
    upload.get_by_role("button", name="検針票.png を取り除く").click()
    expect(page.get_by_text("送信済み")).to_have_count(0)


def test_a_picture_is_enlarged_rotated_and_paged(gallery: Callable[[str], Page]) -> None:
    page = gallery("ファイル")
    page.get_by_role("button", name="電気メーター.svg を拡大する").click()
    zoom = page.get_by_role("dialog", name="画像の拡大表示")
    image = zoom.get_by_role("img")
    expect(zoom.get_by_text("電気メーター.svg（1 / 2）")).to_be_visible()
    zoom.get_by_role("button", name="右に回転").click()
    expect(image).to_have_attribute("style", re.compile(r"rotate\(90deg\)"))

    page.keyboard.press("ArrowRight")

    expect(zoom.get_by_text("検針票_新宿店.svg（2 / 2）")).to_be_visible()
    expect(image).to_have_attribute("style", re.compile(r"rotate\(0deg\)"))
    expect(zoom.get_by_role("button", name="次へ")).to_be_disabled()
    zoom.get_by_role("button", name="閉じる").click()
    expect(zoom).to_have_count(0)


@pytest.mark.parametrize("count", [3, pytest.param(len(PARTS), marks=pytest.mark.deep)])
def test_no_widget_shows_english_or_breaks_a_policy(gallery: Callable[[str], Page], page: Page, count: int) -> None:
    """A different random sample in each run."""
    console_errors: list[str] = []
    page.on("console", lambda message: console_errors.append(message.text) if message.type == "error" else None)
    for part in random.sample([*{*PARTS} - {WRITTEN}], min(count, len(PARTS) - 1)):
        gallery(part)
        assert remaining_english(page) == [], part
    assert console_errors == []


@pytest.mark.deep
def test_open_parts_of_widgets_are_in_japanese_too(gallery: Callable[[str], Page]) -> None:
    page = gallery("表")
    expect(row(page)).to_contain_text("TC200-000001")
    page.get_by_role("button", name="詳細条件").click()
    page.get_by_label("顧客").last.click()
    assert remaining_english(page) == [], "詳細条件"
    page.keyboard.type("zzz")
    assert remaining_english(page) == [], "no match"
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.get_by_test_id("stDateInput").get_by_role("button").first.click()
    expect(page.get_by_text("翌月").or_(page.get_by_label("翌月")).first).to_be_attached()
    page.get_by_text("選択してください").last.click()
    assert remaining_english(page) == [], "calendar"
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    shown_list(page).get_by_label("表示する列を選ぶ").click()
    assert remaining_english(page) == [], "column menu"


def remaining_english(page: Page) -> list[str]:
    """The English texts that remain when everything is drawn and translated."""
    deadline = time.monotonic() + 5
    while (texts := english_texts(page)) and time.monotonic() < deadline:
        page.wait_for_timeout(100)
    return texts


def test_forms_and_files_fit_a_phone(gallery: Callable[[str], Page]) -> None:
    for part in ("フォーム", "ファイル"):
        page = gallery(part)
        page.set_viewport_size(PHONE)
        page.reload()
        expect(page.locator("[class*='st-key-gallery-']").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, part
