"""The disk is lost shortly after a refund, and the backup is older: the customer cancels again and gets the money only
once, because Stripe's refusal of the second refund leads to the first one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest
from playwright.sync_api import Page, expect

from stack.home import ROOT
from tests.browser.product.test_reservations import GINZA, a_phone, asked, link, open_every_shop, shop_says, sms
from tests.chromium import chromium, desktop_context, sign_in
from tests.stack import Stack, make_stack, temporary_folder

pytestmark = pytest.mark.production


def run(stack: Stack, *command: str) -> None:
    result = subprocess.run([sys.executable, "-m", "stack", *command], cwd=ROOT, env=stack.environ, capture_output=True)
    assert result.returncode == 0, result.stdout.decode() + result.stderr.decode()


def refund_ids(stack: Stack) -> list[str]:
    return [refund["id"] for refund in stack.control("refunds")]


def lose_the_disk(stack: Stack) -> None:
    """What is stored elsewhere stays: the secrets, and the vendors' state."""
    saved = {name: (stack.home.path / name).read_bytes() for name in ("secrets.json", "sandbox.sqlite")}
    shutil.rmtree(stack.home.path)
    stack.home.path.mkdir()
    for name, content in saved.items():
        (stack.home.path / name).write_bytes(content)


def test_a_refund_before_the_disk_loss_is_not_repeated() -> None:
    with temporary_folder() as parent, chromium() as browser:
        stack, page = make_stack(parent), desktop_context(browser).new_page()
        stack.environ.pop("FILES_URL", None)  # on the lost disk
        stack.start()
        try:
            open_every_shop(stack)
            shop_says(stack, GINZA, "ok")
            phone = a_phone()
            code = asked(stack, "bouquet", "m", phone)
            page.goto(link(sms(stack, phone, "お店が見つかりました")))
            page.get_by_role("button", name="お支払いへ進む").click()
            page.get_by_role("button", name=re.compile("支払う")).first.click()
            expect(page.get_by_role("heading", name="予約が確定しました")).to_be_visible()
            cancel_link = link(sms(stack, phone, "予約が確定しました"))
            backup = parent / "backup"
            run(stack, "backup", "--to", str(backup))
            cancel_reservation(page, cancel_link)
            assert "返金手続きが完了しました" in sms(stack, phone, "返金手続き")
            refunds_before = refund_ids(stack)
            stack.stop()

            lose_the_disk(stack)
            run(stack, "restore", str(backup))
            stack.start()
            operator_page = page.context.new_page()
            sign_in(operator_page, stack, "reservations-operator")
            expect(operator_page.get_by_role("heading", name="ホーム")).to_be_visible()
            operator_page.goto(f"{stack.dashboards}/reservation?code={code}")
            expect(operator_page.get_by_text("予約確定", exact=True).first).to_be_visible()
            cancel_reservation(page, cancel_link)
            expect(operator_page.get_by_text("返金済み", exact=True).first).to_be_visible()
            assert refund_ids(stack) == refunds_before
        finally:
            stack.stop()


def cancel_reservation(page: Page, cancel_link: str) -> None:
    page.goto(cancel_link)
    page.get_by_role("button", name="この予約をキャンセルする").click()
    expect(page.get_by_role("heading", name="返金")).to_be_visible()
