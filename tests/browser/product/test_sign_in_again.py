"""A session that ends while somebody types: the page is covered, and goes on once they have signed in again."""

from __future__ import annotations

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from dashboards.session import SESSION_COOKIE
from tests.chromium import carry, fill_in, token
from tests.stack import Stack

TYPED = "入力の途中でログインが切れた株式会社"
FORM = {"会社名": TYPED, "担当者": "途中 花子", "連絡先メール": "hanako@example.co.jp", "電話番号": "03-1234-5699"}


def end(stack: Stack, of: str) -> None:
    answer = httpx2.post(
        f"{stack.service}/api/auth/logout", headers={"Authorization": f"Bearer {of}"}, trust_env=False, timeout=30
    )
    assert answer.status_code == 204


def test_what_was_typed_when_the_session_ended_is_stored_after_signing_in_again(
    page: Page, context: BrowserContext, stack: Stack
) -> None:
    mine = token(stack, "fleet-admin")
    carry(context, stack, mine)
    page.goto(f"{stack.dashboards}/customers")
    page.get_by_role("button", name="顧客を登録する").click()
    dialog = page.get_by_role("dialog")
    for label, words in FORM.items():
        dialog.get_by_label(label).fill(words)

    end(stack, mine)
    over = page.get_by_text("ログインし直してください").last
    expect(over).to_be_visible()
    # Covered: what is in the middle of the screen is the cover, not the form.
    assert page.evaluate("document.elementFromPoint(720, 400).closest('[class*=st-key-session-over]') !== null")

    with context.expect_page() as opened:
        page.get_by_role("link", name="ログイン画面を開く").last.click()
    other = opened.value
    fill_in(other, "fleet-admin")
    expect(other.get_by_role("heading", name="顧客一覧")).to_be_visible()

    expect(over).to_be_hidden()
    for label, words in FORM.items():
        expect(dialog.get_by_label(label)).to_have_value(words)
    dialog.get_by_role("button", name="登録する").click()
    # Not the dialog's end: that is away for a moment whenever the page is drawn anew.
    expect(page.get_by_text(f"{TYPED}を登録しました。")).to_be_visible()
    token_now = next(cookie["value"] for cookie in context.cookies() if cookie["name"] == SESSION_COOKIE)
    assert token_now != mine
    found = httpx2.get(
        f"{stack.service}/api/fleet/customers",
        params={"q": TYPED},
        headers={"Authorization": f"Bearer {token_now}"},
        trust_env=False,
        timeout=30,
    )
    assert [row["company_name"] for row in found.json()["items"]] == [TYPED]


@pytest.mark.deep
def test_somebody_else_at_the_same_browser_does_not_take_the_page_over_and_leaves_it_to_its_owner(
    page: Page, context: BrowserContext, stack: Stack
) -> None:
    mine = token(stack, "fleet-admin")
    carry(context, stack, mine)
    with page.expect_websocket() as connected:
        page.goto(f"{stack.dashboards}/customers")
    expect(page.get_by_role("heading", name="顧客一覧")).to_be_visible()
    end(stack, mine)
    over = page.get_by_text("ログインし直してください").last
    expect(over).to_be_visible()

    with context.expect_page() as opened:
        page.get_by_role("link", name="ログイン画面を開く").last.click()
    other = opened.value
    fill_in(other, "fleet-viewer")
    expect(other.get_by_role("link", name="ログアウト")).to_be_visible()

    # Who signs in again is let in through another connection: the first one is closed for that.
    assert not connected.value.is_closed()
    expect(over).to_be_visible()

    other.get_by_role("link", name="ログアウト").click()
    fill_in(other, "fleet-admin")
    expect(over).to_be_hidden()
    assert connected.value.is_closed()
