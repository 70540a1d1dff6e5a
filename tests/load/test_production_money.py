"""A disk is lost a moment after money was given back, and the backup is of before: the customer cancels again, and gets
her money once: what Stripe says to the second try is found to be the first."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest
from playwright.sync_api import Page, expect

from stack.home import ROOT
from tests.browser.product.test_reservations import GINZA, a_phone, asked, link, open_every_shop, shop_says, sms
from tests.chromium import at_a_desk, chromium, sign_in
from tests.stack import Stack, make_stack, some_folder

pytestmark = pytest.mark.production


def run(stack: Stack, *command: str) -> None:
    done = subprocess.run([sys.executable, "-m", "stack", *command], cwd=ROOT, env=stack.environ, capture_output=True)
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


def refunds(stack: Stack) -> list[str]:
    return [one["id"] for one in stack.control("refunds")]


def lose_the_disk(stack: Stack) -> None:
    """What is kept elsewhere stays: the secrets, and what the vendors know."""
    kept = {name: (stack.home.path / name).read_bytes() for name in ("secrets.json", "sandbox.sqlite")}
    shutil.rmtree(stack.home.path)
    stack.home.path.mkdir()
    for name, content in kept.items():
        (stack.home.path / name).write_bytes(content)


def test_what_was_given_back_before_the_disk_was_lost_is_not_given_back_again() -> None:
    with some_folder() as parent, chromium() as browser:
        stack, page = make_stack(parent), at_a_desk(browser).new_page()
        stack.environ.pop("FILES_URL", None)  # on the disk that is lost
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
            her_link = link(sms(stack, phone, "予約が確定しました"))
            backup = parent / "backup"
            run(stack, "backup", "--to", str(backup))
            given_back(page, her_link)
            assert "返金手続きが完了しました" in sms(stack, phone, "返金手続き")
            before = refunds(stack)
            stack.stop()

            lose_the_disk(stack)
            run(stack, "restore", str(backup))
            stack.start()
            desk = page.context.new_page()
            sign_in(desk, stack, "reservations-operator")
            expect(desk.get_by_role("heading", name="運営ダッシュボード")).to_be_visible()
            desk.goto(f"{stack.dashboards}/reservation?code={code}")
            expect(desk.get_by_text("予約確定", exact=True).first).to_be_visible()
            given_back(page, her_link)
            expect(desk.get_by_text("返金済み", exact=True).first).to_be_visible()
            assert refunds(stack) == before
        finally:
            stack.stop()


def given_back(page: Page, her_link: str) -> None:
    page.goto(her_link)
    page.get_by_role("button", name="この予約をキャンセルする").click()
    expect(page.get_by_role("heading", name="返金")).to_be_visible()
