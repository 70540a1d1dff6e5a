"""案件詳細・明細入力 at a desk: the statement stays next to the form while data is entered."""

from __future__ import annotations

import io
import re
import uuid
from collections.abc import Iterator

import httpx2
import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect

from tests import chromium as real
from tests.browser.lists import row
from tests.stack import Stack


def statement(text: str) -> bytes:
    """A photograph as sales users send it, in portrait format."""
    picture = Image.new("RGB", (900, 1300), "white")
    draw = ImageDraw.Draw(picture)
    for line in range(12):
        draw.text((60, 60 + 100 * line), f"{text} {line:02} 03-1234-5678-9012-3456-7890", fill="black", font_size=36)
    out = io.BytesIO()
    picture.save(out, "JPEG")
    return out.getvalue()


@pytest.fixture(scope="module")
def case_id(stack: Stack) -> int:
    """A request with two statements, sent by a sales user."""
    corporation = {
        "customer_type": "1",
        "last_name": "見本",
        "first_name": "商店",
        "last_name_kana": "ミホン",
        "first_name_kana": "ショウテン",
        "zip_code": "150-0002",
        "prefecture": "東京都",
        "city": "渋谷区",
        "town": "渋谷",
        "street": "1-2-3",
        "phone1": "03-1234-5678",
        "birthday": "1980-01-01",
        "job_type": "1",
        "payment_type": "2",
        "sales_channel_id": "1",
    }
    with httpx2.Client(base_url=stack.service, timeout=30, trust_env=False) as sales:
        sales.headers["Authorization"] = f"Bearer {real.get_session_token(stack, 'agencies-sales-a')}"
        files = []
        for name in ("渋谷店.jpg", "新宿店.jpg"):
            parameters = {"name": name, "purpose": "agencies.statement"}
            response = sales.put("/api/core/files", params=parameters, content=statement("STATEMENT"))
            files.append(response.raise_for_status().json()["id"])
        body = {"client_id": str(uuid.uuid4()), "corporation": corporation, "images": files}
        request = sales.post("/api/agencies/requests", json={**body, "remarks": "渋谷店は口座振替です。"})
        return int(request.raise_for_status().json()["id"])


@pytest.fixture
def desk(chromium: Browser, stack: Stack) -> Iterator[Page]:
    context = real.desktop_context(chromium)
    real.set_session_cookies(context, stack, real.get_session_token(stack, "agencies-operator"))
    yield context.new_page()
    context.close()


def test_a_site_is_entered_next_to_its_statement(desk: Page, stack: Stack, case_id: int) -> None:
    desk.goto(f"{stack.dashboards}/case?id={case_id}")
    stage = desk.locator(".stage")
    expect(stage.get_by_text("渋谷店.jpg（1 / 2）　未紐づけ")).to_be_visible()
    desk.get_by_role("button", name="＋地点を追加").click()
    desk.get_by_role("dialog").get_by_role("button", name="追加する").click()
    expect(stage.get_by_text("渋谷店.jpg（1 / 2）　地点1")).to_be_visible()

    # A rotated and enlarged picture stays so while fields are filled in.
    picture = stage.get_by_role("img")
    stage.get_by_role("button", name="右に回転").click()
    stage.get_by_role("button", name="拡大").click()
    rotated = re.compile(r"rotate\(90deg\) scale\(1\.5\)")
    expect(picture).to_have_attribute("style", rotated)
    desk.get_by_label("店舗名").fill("渋谷店")
    desk.get_by_label("店舗名").press("Tab")
    desk.get_by_role("textbox", name=re.compile("^郵便番号")).fill("150-0002")
    desk.get_by_role("button", name="郵便番号から住所を入力").click()
    expect(desk.get_by_role("textbox", name=re.compile("^市区町村"))).to_have_value("渋谷区")
    expect(picture).to_have_attribute("style", rotated)
    desk.get_by_role("button", name="保存する").click()
    expect(desk.get_by_text("地点1を保存しました。")).to_be_visible()
    expect(desk.get_by_role("radio", name=re.compile("渋谷店"))).to_be_visible()
    expect(picture).to_have_attribute("style", rotated)

    stage.get_by_role("button", name="次へ").click()
    expect(stage.get_by_text("新宿店.jpg（2 / 2）　未紐づけ")).to_be_visible()
    expect(picture).to_have_attribute("style", re.compile(r"rotate\(0deg\) scale\(1\)"))

    # Nothing is wider than the desk.
    assert desk.evaluate("document.documentElement.scrollWidth") <= 1440


def test_the_case_list_is_shown(desk: Page, stack: Stack, case_id: int) -> None:
    desk.goto(f"{stack.dashboards}/cases")
    expect(desk.get_by_text("担当者が決まっていません").first).to_be_visible()
    expect(row(desk)).to_be_visible()
    assert case_id
    assert desk.evaluate("document.documentElement.scrollWidth") <= 1440
