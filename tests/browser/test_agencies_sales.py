"""新規投入依頼 on a sales user's phone: typed, photographed, reloaded, confirmed, sent once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, TimeoutError, expect
from sqlalchemy import select

from dashboards.session import SESSION_COOKIE
from service.agencies.corporations.models import Corporation
from service.agencies.models import Request
from service.agencies.requests.models import Image
from service.core.access.identity import open_session
from tests.api.agencies import scene
from tests.chromium import PHONE, mobile_context
from tests.conftest import Service
from tests.dashboards.dashboards import Dashboards
from tests.pictures import picture


@pytest.fixture
def phone(chromium: Browser, service: Service, dashboards: Dashboards) -> Iterator[Page]:
    """The phone of a sales user who is signed in."""
    with service.committed() as db:
        agency = scene.agency(db, "株式会社駐車場代理店", "PARKING")
        token, _ = open_session(db, scene.sales(db, "car-park", agency), "browser", timedelta(hours=1))
    context = mobile_context(chromium)
    context.add_cookies(
        [{"name": SESSION_COOKIE, "value": token, "url": dashboards.url, "httpOnly": True, "sameSite": "Lax"}]
    )
    page = context.new_page()
    page.goto(dashboards.url)
    yield page
    context.close()


def assert_fits(phone: Page) -> None:
    width = phone.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"], f"the page is {width} wide"


def choose(phone: Page, label: str, option_name: str) -> None:
    """A list that is open during a redraw of the page closes: then it is opened again, as a user would."""
    option = phone.get_by_role("option", name=option_name)
    for _ in range(3):
        phone.get_by_role("combobox", name=label).click()
        with contextlib.suppress(TimeoutError):
            option.click(timeout=5_000)
            return
    raise AssertionError(f"no list of {label}")


def test_a_request_is_typed_reloaded_confirmed_and_sent_once(phone: Page, service: Service, tmp_path: Path) -> None:
    expect(phone.locator("h1")).to_have_text("マイ依頼一覧")
    phone.get_by_test_id("stMain").get_by_role("link", name="新規投入依頼", exact=True).click()
    expect(phone.locator("h1")).to_have_text("新規投入依頼")
    assert_fits(phone)

    phone.get_by_text("個人", exact=True).click()
    expect(phone.get_by_text("代表者名", exact=True)).to_have_count(0)
    typed = {
        "契約者名（姓）": "駐車",
        "契約者名（名）": "太郎",
        "契約者名カナ（セイ）": "チュウシャ",
        "契約者名カナ（メイ）": "タロウ",
        "郵便番号": "150-0002",
        "連絡先番号1": "03-9876-5432",
        "字・丁目＋番地号": "1-2-3",
    }
    for label, value in typed.items():
        phone.get_by_role("textbox", name=label).first.fill(value)
        phone.keyboard.press("Tab")
    phone.get_by_role("button", name="郵便番号から住所を入力").click()
    expect(phone.get_by_role("textbox", name="市区町村").first).to_have_value("渋谷区")

    photos = [tmp_path / f"検針票{number}.jpg" for number in (1, 2, 3)]
    for photo in photos:
        photo.write_bytes(picture(size=(1200, 900)))
    phone.locator("input[type=file]").set_input_files([str(photo) for photo in photos])
    expect(phone.get_by_text("送信しました")).to_have_count(3)
    # The page has received the files too, and has saved the draft.
    expect(phone.get_by_placeholder("画像の枚数（3）")).to_be_visible()
    expect(phone.get_by_text("下書きを保存しました")).to_be_visible()
    # The draft is saved at the end of the script run that drew the three files: a page closed before has not saved it
    # yet.
    expect(phone.locator("[data-test-script-state=notRunning]")).to_be_visible()
    assert_fits(phone)

    phone.reload()
    expect(phone.get_by_text("前回の入力の続きです")).to_be_visible()
    expect(phone.get_by_role("textbox", name="契約者名（姓）").first).to_have_value("駐車")
    expect(phone.get_by_text("送信しました")).to_have_count(3)

    # 生年月日 of a 個人, and 営業チャネル, are still missing.
    phone.get_by_role("button", name="内容を確認する").click()
    expect(phone.get_by_text("赤字の項目を直して")).to_be_visible()
    phone.get_by_test_id("stDateInputField").first.get_by_role("spinbutton").first.click()
    phone.keyboard.type("19800505")
    phone.keyboard.press("Enter")
    choose(phone, "営業チャネル", "訪問")
    phone.get_by_role("button", name="内容を確認する").click()
    expect(phone.get_by_text("まだ送信されていません。")).to_be_visible()
    expect(phone.get_by_text("3枚")).to_be_visible()
    assert_fits(phone)

    phone.get_by_role("button", name="投入依頼を送信").dblclick()
    expect(phone.get_by_text("投入依頼を送信しました。")).to_be_visible()
    with service.committed() as db:
        requests = select(Request.id).join(Corporation, Corporation.id == Request.corporation_id)
        [request_id] = db.scalars(requests.where(Corporation.last_name == "駐車"))
        assert len(db.scalars(select(Image).where(Image.request_id == request_id)).all()) == 3
    phone.get_by_role("link", name="依頼を開く").click()
    expect(phone.locator("h1")).to_have_text("依頼詳細")
    assert_fits(phone)
