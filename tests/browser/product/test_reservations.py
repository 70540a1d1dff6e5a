"""A reservation from the assistant's request to the refund, and a vague answer that an operator resolves: every part is
real; customer, shop and bank are simulated in the sandbox."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import uuid4

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from playwright.sync_api import Page, expect

from service.core.values.times import TOKYO
from service.demo.reservations import ASSISTANT_TOKEN
from tests.browser.lists import open_row
from tests.chromium import sign_in
from tests.stack import Stack
from tests.waiting import wait_for

GINZA, AOYAMA = "+81312340001", "+81312340003"
LINK = re.compile(r"http\S+/(?:pay|cancel)/[A-Za-z0-9_-]+")


def asked(stack: Stack, service: str, plan: str, phone: str) -> str:
    """Requests a reservation as an assistant and returns its 予約ID."""

    async def run() -> str:
        start_date = (datetime.now(TOKYO) + timedelta(days=10)).date()
        arguments = {
            "client_request_id": str(uuid4()),
            "service": service,
            "plan": plan,
            "starts_at": f"{start_date}T14:00:00",
        }
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {ASSISTANT_TOKEN}"}, timeout=30) as http,
            Client(streamable_http_client(f"{stack.service}/mcp", http_client=http)) as client,
        ):
            tools = {tool.name for tool in (await client.list_tools()).tools}
            assert "request_reservation" in tools
            result = await client.call_tool(
                "request_reservation", arguments | {"customer_name": "青木 花子", "phone": phone}
            )
            assert result.structured_content is not None, result.content
            return str(result.structured_content["reservation_id"])

    # The browser's event loop runs in this thread.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(run())).result()


def a_phone() -> str:
    return f"080-{uuid4().int % 10**4:04}-{uuid4().int % 10**4:04}"


def sms(stack: Stack, phone: str, text: str, seconds: float = 60) -> str:
    """The newest SMS with this text, once it has arrived."""
    number = f"+81{phone.replace('-', '')[1:]}".replace("+", "%2B")

    def bodies() -> list[str]:
        return [str(message["body"]) for message in stack.control(f"sms?to={number}")]

    return wait_for(lambda: [body for body in bodies() if text in body], bodies, seconds)[-1]


def link(body: str) -> str:
    match = LINK.search(body)
    assert match, body
    return match[0]


@pytest.fixture
def open_shops(stack: Stack) -> None:
    open_every_shop(stack)


def open_every_shop(stack: Stack) -> None:
    """An administrator sets all opening hours to round the clock, so that the tests work at any time."""
    with httpx2.Client(base_url=stack.service, timeout=30, trust_env=False) as http:
        credentials = {"login_id": "reservations-admin", "password": "genba-demo"}
        http.headers["Authorization"] = f"Bearer {http.post('/api/auth/login', json=credentials).json()['token']}"
        for shop in http.get("/api/reservations/shops").json()["items"]:
            hours = {"version": shop["version"], "opens_at": "00:00:00", "closes_at": "23:59:59", "closed_weekdays": []}
            assert http.patch(f"/api/reservations/shops/{shop['id']}", json=hours).status_code == 204


def shop_says(stack: Stack, phone: str, kind: str) -> None:
    script = json.dumps({"what": "shop", "phone": phone, "then": {"kind": kind}}).encode()
    request = urllib.request.Request(f"{stack.sandbox}/_control/script", script, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as response:
        assert response.status == 200


def test_a_bouquet_is_requested_paid_cancelled_and_refunded(page: Page, stack: Stack, open_shops: None) -> None:
    shop_says(stack, GINZA, "ok")
    phone = a_phone()
    code = asked(stack, "bouquet", "m", phone)
    assert code in sms(stack, phone, "ご予約を受け付けました")

    page.goto(link(sms(stack, phone, "お店が見つかりました")))
    page.get_by_role("button", name="お支払いへ進む").click()
    expect(page.get_by_text("5,500").first).to_be_visible()
    page.get_by_role("button", name=re.compile("支払う")).first.click()
    expect(page.get_by_role("heading", name="予約が確定しました")).to_be_visible()

    operator_page = page.context.new_page()
    sign_in(operator_page, stack, "reservations-operator")
    expect(operator_page.get_by_role("heading", name="ホーム")).to_be_visible()
    operator_page.goto(f"{stack.dashboards}/reservation?code={code}")
    expect(operator_page.get_by_text("予約確定", exact=True).first).to_be_visible()

    page.goto(link(sms(stack, phone, "予約が確定しました")))
    page.get_by_role("button", name="この予約をキャンセルする").click()
    expect(page.get_by_role("heading", name="返金")).to_be_visible()
    assert "5,500円の返金手続きが完了しました" in sms(stack, phone, "返金手続き")
    expect(operator_page.get_by_text("返金済み", exact=True).first).to_be_visible()


@pytest.mark.deep
def test_an_operator_resolves_a_vague_answer(page: Page, stack: Stack, open_shops: None) -> None:
    shop_says(stack, AOYAMA, "vague")
    phone = a_phone()
    code = asked(stack, "cake", "5", phone)
    sign_in(page, stack, "reservations-operator")
    expect(page.get_by_role("heading", name="ホーム")).to_be_visible()
    page.goto(f"{stack.dashboards}/operations")
    page.get_by_label("キーワード").fill(code)
    page.keyboard.press("Enter")
    expect(page.get_by_text(re.compile("該当\\s*1件"))).to_be_visible()
    drawer = open_row(page)
    expect(drawer.get_by_text("該当の提携店に電話で確認します")).to_be_visible()
    drawer.get_by_role("button", name="自分が対応する").click()
    expect(drawer.get_by_role("button", name="担当を外す")).to_be_visible()
    drawer.get_by_role("button", name="予約OKを確認").click()
    page.get_by_role("button", name="予約OKを確認した").click()

    assert "4,800円" in sms(stack, phone, "お店が見つかりました")
    shop_says(stack, AOYAMA, "ok")
