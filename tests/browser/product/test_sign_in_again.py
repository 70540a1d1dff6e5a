"""A session that ends while a user types: the page is covered, and continues after the user has signed in again."""

from __future__ import annotations

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from dashboards.session import SESSION_COOKIE
from tests.chromium import get_session_token, set_session_cookies, submit_sign_in
from tests.stack import Stack

TYPED = "入力の途中でログインが切れた株式会社"
FORM = {"会社名": TYPED, "担当者": "途中 花子", "連絡先メール": "hanako@example.co.jp", "電話番号": "03-1234-5699"}


def end_session(stack: Stack, session_token: str) -> None:
    response = httpx2.post(
        f"{stack.service}/api/auth/logout",
        headers={"Authorization": f"Bearer {session_token}"},
        trust_env=False,
        timeout=30,
    )
    assert response.status_code == 204


def test_what_was_typed_when_the_session_ended_is_stored_after_signing_in_again(
    page: Page, context: BrowserContext, stack: Stack
) -> None:
    first_token = get_session_token(stack, "fleet-admin")
    set_session_cookies(context, stack, first_token)
    page.goto(f"{stack.dashboards}/customers")
    page.get_by_role("button", name="顧客を登録する").click()
    dialog = page.get_by_role("dialog")
    for label, text in FORM.items():
        dialog.get_by_label(label).fill(text)

    end_session(stack, first_token)
    cover = page.get_by_text("ログインし直してください").last
    expect(cover).to_be_visible()
    # The element in the middle of the screen is the cover, not the form.
    assert page.evaluate("document.elementFromPoint(720, 400).closest('[class*=st-key-session-over]') !== null")

    with context.expect_page() as new_page:
        page.get_by_role("link", name="ログイン画面を開く").last.click()
    login_page = new_page.value
    submit_sign_in(login_page, "fleet-admin")
    expect(login_page.get_by_role("heading", name="顧客一覧")).to_be_visible()

    expect(cover).to_be_hidden()
    for label, text in FORM.items():
        expect(dialog.get_by_label(label)).to_have_value(text)
    dialog.get_by_role("button", name="登録する").click()
    # Not the dialog's end: the dialog disappears for a short time at every redraw.
    expect(page.get_by_text(f"{TYPED}を登録しました。")).to_be_visible()
    second_token = next(cookie["value"] for cookie in context.cookies() if cookie["name"] == SESSION_COOKIE)
    assert second_token != first_token
    response = httpx2.get(
        f"{stack.service}/api/fleet/customers",
        params={"q": TYPED},
        headers={"Authorization": f"Bearer {second_token}"},
        trust_env=False,
        timeout=30,
    )
    assert [row["company_name"] for row in response.json()["items"]] == [TYPED]


@pytest.mark.deep
def test_another_user_of_the_same_browser_does_not_take_over_the_page(
    page: Page, context: BrowserContext, stack: Stack
) -> None:
    first_token = get_session_token(stack, "fleet-admin")
    set_session_cookies(context, stack, first_token)
    with page.expect_websocket() as websocket:
        page.goto(f"{stack.dashboards}/customers")
    expect(page.get_by_role("heading", name="顧客一覧")).to_be_visible()
    end_session(stack, first_token)
    cover = page.get_by_text("ログインし直してください").last
    expect(cover).to_be_visible()

    with context.expect_page() as new_page:
        page.get_by_role("link", name="ログイン画面を開く").last.click()
    login_page = new_page.value
    submit_sign_in(login_page, "fleet-viewer")
    expect(login_page.get_by_role("link", name="ログアウト")).to_be_visible()

    # A new sign-in of the same user opens another connection and closes the first one.
    assert not websocket.value.is_closed()
    expect(cover).to_be_visible()

    login_page.get_by_role("link", name="ログアウト").click()
    submit_sign_in(login_page, "fleet-admin")
    expect(cover).to_be_hidden()
    assert websocket.value.is_closed()
