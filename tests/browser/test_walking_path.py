"""The one thin path through every room, in a real browser, with every part real."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Page, expect

from tests.stack import Stack, make_stack

STORE = "新宿店 レジ1番"
expect.set_options(timeout=20_000)


def sign_in(page: Page, stack: Stack, login_id: str = "fleet-operator") -> None:
    page.goto(stack.dashboards)
    page.get_by_label("ログインID").fill(login_id)
    page.get_by_label("パスワード", exact=True).fill("genba-demo")
    page.get_by_role("button", name="ログインする").click()


def mails(stack: Stack) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{stack.sandbox}/mails", timeout=5) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def test_a_person_sees_a_store_fall_silent_and_come_back(page: Page, stack: Stack) -> None:
    sign_in(page, stack)
    expect(page.get_by_role("heading", name="ダッシュボード")).to_be_visible()
    expect(page.get_by_text("総端末数")).to_be_visible()
    expect(page.get_by_text("92台", exact=True)).to_be_visible()
    alert = page.get_by_text(re.compile(rf"ABC商事 - {STORE}"))
    expect(alert).to_have_count(0)

    # The store's PC loses power: its agent is gone without a word.
    agent = psutil.Process(stack.pid("agent"))
    agent.suspend()
    try:
        time.sleep(1)  # a heartbeat that had already left still arrives, and must do so before the clock moves
        stack.move_clock(minutes=3)
        expect(alert.first).to_be_visible(timeout=30_000)
        wait_for(lambda: any(STORE in mail["body"] for mail in mails(stack)), 20, "no mail about the silent store")
    finally:
        agent.resume()

    expect(alert).to_have_count(0, timeout=40_000)


def test_the_mail_reached_a_real_server_and_reads_well(stack: Stack, page: Page) -> None:
    """The erroring terminal of the demo has told of itself since the start."""
    wait_for(
        lambda: any("カードリーダー応答なし" in mail["body"] for mail in mails(stack)), 40, "no mail about the error"
    )
    [mail] = [mail for mail in mails(stack) if "カードリーダー応答なし" in mail["body"]][:1]
    assert mail["recipients"] == ["support@techcore.example"]
    assert mail["subject"].startswith("【Genba】")

    page.goto(stack.sandbox)
    expect(page.get_by_text("カードリーダー応答なし").first).to_be_visible()


def test_reload_and_a_second_tab_keep_the_person_signed_in(page: Page, stack: Stack) -> None:
    sign_in(page, stack)
    expect(page.get_by_text("総端末数")).to_be_visible()

    page.reload()
    expect(page.get_by_text("総端末数")).to_be_visible()
    other = page.context.new_page()
    other.goto(f"{stack.dashboards}/dashboard")
    expect(other.get_by_text("総端末数")).to_be_visible()


def test_signing_out_closes_the_door_behind(page: Page, stack: Stack) -> None:
    sign_in(page, stack)
    page.get_by_role("link", name="ログアウト").click()
    expect(page.get_by_label("ログインID")).to_be_visible()

    page.goto(f"{stack.dashboards}/dashboard")

    expect(page.get_by_label("ログインID")).to_be_visible()


def test_after_sign_in_one_lands_where_one_wanted_to_go(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.dashboards}/dashboard")
    expect(page).to_have_url(re.compile(r"/login\?next="))
    page.get_by_label("ログインID").fill("fleet-support")
    page.get_by_label("パスワード", exact=True).fill("genba-demo")
    page.keyboard.press("Enter")

    expect(page).to_have_url(f"{stack.dashboards}/dashboard")


def test_the_browser_reports_no_error_and_no_policy_violation(page: Page, stack: Stack) -> None:
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))

    sign_in(page, stack)
    expect(page.get_by_text("顧客別状況")).to_be_visible()
    page.wait_for_load_state("networkidle")

    assert said == []


def test_a_killed_process_is_started_again(stack: Stack) -> None:
    for name in ("service", "worker", "beat", "dashboards", "valkey", "postgres"):
        before = stack.pid(name)
        os.kill(before, signal.SIGKILL)
        wait_for(lambda name=name, before=before: stack.pid(name) != before, 20, f"{name} was not started again")
        wait_for(stack.is_ready, 30, f"not ready within 30 s after {name} was killed")


def test_a_taken_port_is_one_clear_sentence(stack: Stack, tmp_path: Path) -> None:
    second = make_stack(tmp_path)
    second.environ["SERVICE_PORT"] = stack.environ["SERVICE_PORT"]

    with pytest.raises(AssertionError, match=f"Port {stack.environ['SERVICE_PORT']} is taken by another program") as no:
        second.start()

    assert "SERVICE_PORT=" in str(no.value)
    assert "Traceback" not in str(no.value)


def test_a_second_start_in_the_same_place_is_refused_in_words(stack: Stack) -> None:
    with pytest.raises(AssertionError, match="already running from this folder"):
        Stack(stack.home, stack.environ).start()


def test_production_without_its_secrets_is_refused_in_words(tmp_path: Path) -> None:
    bare = make_stack(tmp_path)
    bare.environ["GENBA_MODE"] = "production"

    with pytest.raises(AssertionError, match="SECRET_KEY is missing"):
        bare.start()


def test_stopping_leaves_no_process_and_the_next_start_finds_the_data(stack: Stack) -> None:
    names = [file.name for file in stack.home.pids.glob("*")]
    pids = [stack.pid(name) for name in names]
    assert len(pids) >= 8

    assert stack.stop() == 0

    assert [name for name, pid in zip(names, pids, strict=True) if psutil.pid_exists(pid)] == []
    stack.start()
    assert stack.is_ready()
    assert not any("created a database cluster" in line for line in stack.lines)


def test_what_a_killed_launcher_left_behind_is_cleared(stack: Stack) -> None:
    assert stack.process is not None
    supervisord = stack.pid("supervisord")
    stack.process.kill()
    stack.process.wait(10)
    os.kill(supervisord, signal.SIGKILL)
    orphan = stack.pid("postgres")
    assert psutil.pid_exists(orphan)

    stack.start()

    assert not psutil.pid_exists(orphan)
    assert any("had left behind" in line for line in stack.lines)
