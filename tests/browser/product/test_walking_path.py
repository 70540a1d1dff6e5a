"""The walking skeleton: one thin path through every component, in a real browser, with every part real."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from playwright.sync_api import Page, expect

from stack import servers
from stack.home import ROOT
from tests.chromium import sign_in
from tests.processes import free_port
from tests.rls_bypass import rls_bypass_url
from tests.stack import Stack, make_stack, temporary_folder
from tests.waiting import wait_for

STORE = "新宿店 レジ1番"


@pytest.fixture
def folder() -> Iterator[Path]:
    with temporary_folder() as path:
        yield path


def mails(stack: Stack) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{stack.sandbox}/mails", timeout=5) as response:
        messages: list[dict[str, Any]] = json.load(response)
    return messages


def seconds_since_heartbeat(stack: Stack) -> float:
    with psycopg.connect(rls_bypass_url(stack.database)) as connection:
        [seconds] = connection.execute(
            "SELECT extract(epoch FROM app_now() - s.last_heartbeat_at) FROM fleet_terminal_states s "
            "JOIN fleet_terminals t ON t.id = s.terminal_id WHERE t.serial_number = 'TC200-000001'"
        ).fetchone() or [0]
    return float(seconds)


def terminal_count(stack: Stack) -> int:
    """Other tests add terminals."""
    with psycopg.connect(rls_bypass_url(stack.database)) as connection:
        [count] = connection.execute("SELECT count(*) FROM fleet_terminals WHERE archived_at IS NULL").fetchone() or [0]
    return int(count)


def is_offline_mail(mail: dict[str, Any]) -> bool:
    return STORE in mail["body"] and "オフライン" in mail["subject"] + mail["body"]


def test_a_user_sees_a_store_go_offline_and_come_back(page: Page, stack: Stack) -> None:
    sign_in(page, stack, path="/dashboard")
    expect(page.get_by_role("heading", name="ダッシュボード")).to_be_visible()
    expect(page.get_by_text("総端末数", exact=True)).to_be_visible()
    expect(page.get_by_text(f"{terminal_count(stack)}台", exact=True).first).to_be_visible()
    # Its CPU figures are this machine's, which may be busy enough for another alert.
    # Others that the moved clock marks offline for a moment join the incident: then it names the store or the customer.
    alert = page.locator("p").filter(
        has_text=re.compile(r"ABC商事( - 新宿店( レジ1番|（\d+台）)|（\d+台）):.*オフライン")
    )
    expect(alert).to_have_count(0)

    # The store's PC loses power: its agent stops without a report.
    agent = psutil.Process(stack.pid("agent"))
    agent.suspend()
    try:
        wait_for(lambda: seconds_since_heartbeat(stack) > 1, "a heartbeat that had already left did not arrive")
        stack.move_clock(minutes=3, silent="TC200-000001")
        # On a busy machine a heartbeat may arrive after the clock was moved: then the silence begins there.
        expect(alert.first).to_be_visible()
        wait_for(lambda: any(is_offline_mail(mail) for mail in mails(stack)), "no mail about the silent store")
    finally:
        agent.resume()

    expect(alert).to_have_count(0)


def test_an_error_on_the_serial_line_becomes_a_readable_mail(stack: Stack, page: Page) -> None:
    def error_mails() -> list[dict[str, Any]]:
        return [mail for mail in mails(stack) if f"{STORE}: エラー" in mail["subject"]]

    toggle = functools.partial(os.kill, stack.pid("terminal"), signal.SIGUSR1)
    toggle()
    try:
        wait_for(error_mails, "no mail about the error")
    finally:
        toggle()
    mail = error_mails()[0]
    assert mail["recipients"] == ["support@techcore.example"]
    # If other tills of the store are offline too, the mail names the whole incident.
    assert re.fullmatch(rf"【Genba】ABC商事 - {STORE}: エラー( ほか\d+件)?", mail["subject"])
    assert "カードリーダー応答なし" in mail["body"]

    page.goto(stack.sandbox)
    expect(page.get_by_text(mail["subject"]).first).to_be_visible()


def test_reload_and_a_second_tab_keep_the_user_signed_in(page: Page, stack: Stack) -> None:
    sign_in(page, stack, path="/dashboard")
    expect(page.get_by_text("総端末数", exact=True)).to_be_visible()

    page.reload()
    expect(page.get_by_text("総端末数", exact=True)).to_be_visible()
    second_tab = page.context.new_page()
    second_tab.goto(f"{stack.dashboards}/dashboard")
    expect(second_tab.get_by_text("総端末数", exact=True)).to_be_visible()


def test_after_signing_out_pages_need_a_new_sign_in(page: Page, stack: Stack) -> None:
    sign_in(page, stack)
    page.get_by_role("link", name="ログアウト").click()
    expect(page.get_by_label("ログインID")).to_be_visible()

    page.goto(f"{stack.dashboards}/dashboard")

    expect(page.get_by_label("ログインID")).to_be_visible()


def test_sign_in_leads_to_the_requested_page(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.dashboards}/dashboard")
    expect(page).to_have_url(re.compile(r"/login\?next="))
    page.get_by_label("ログインID").fill("fleet-support")
    page.get_by_label("パスワード", exact=True).fill("genba-demo")
    page.keyboard.press("Enter")

    expect(page).to_have_url(f"{stack.dashboards}/dashboard")


def test_the_browser_reports_no_error_and_fetches_no_charts_where_there_are_none(page: Page, stack: Stack) -> None:
    """Also no broken content security policy."""
    errors: list[str] = []
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))

    sign_in(page, stack, path="/dashboard")
    expect(page.get_by_text("顧客別状況")).to_be_visible()
    page.wait_for_load_state("networkidle")

    assert errors == []
    assert not [url for url in urls if "plotly" in url.lower()]


def is_restarted(stack: Stack, name: str, old_pid: int) -> bool:
    return stack.pid(name) != old_pid


@pytest.mark.parametrize(
    "name",
    [
        "valkey",
        *(
            pytest.param(other, marks=pytest.mark.deep)
            for other in ("service", "worker", "beat", "dashboards", "postgres")
        ),
    ],
)
def test_a_killed_process_is_started_again(stack: Stack, name: str) -> None:
    old_pid = stack.pid(name)
    os.kill(old_pid, signal.SIGKILL)
    wait_for(partial(is_restarted, stack, name, old_pid), f"{name} was not started again")
    wait_for(stack.is_ready, f"not ready after {name} was killed")


def test_a_port_in_use_is_reported_in_one_clear_sentence(stack: Stack, folder: Path) -> None:
    second = make_stack(folder)
    second.environ["SERVICE_PORT"] = stack.environ["SERVICE_PORT"]

    with pytest.raises(
        AssertionError, match=f"Port {stack.environ['SERVICE_PORT']} is taken by another program"
    ) as error:
        second.start()

    assert "SERVICE_PORT=" in str(error.value)
    assert "Traceback" not in str(error.value)


def test_a_second_start_in_the_same_folder_is_refused_with_a_message(stack: Stack) -> None:
    with pytest.raises(AssertionError, match="already running from this folder"):
        Stack(stack.home, stack.environ).start()


def test_a_port_that_is_no_number_is_refused_with_a_message(folder: Path) -> None:
    invalid = make_stack(folder)
    invalid.environ["SERVICE_PORT"] = "abc"

    with pytest.raises(AssertionError, match="SERVICE_PORT must be a port number"):
        invalid.start()


def test_a_foreign_folder_is_not_touched(folder: Path) -> None:
    other_stack = make_stack(folder)
    other_stack.home.path.mkdir()
    file = other_stack.home.path / "precious.txt"
    file.write_text("keep me")

    with pytest.raises(AssertionError, match="holds something else"):
        other_stack.start()
    reset = subprocess.run(
        [sys.executable, "-m", "stack", "reset"],
        cwd=ROOT,
        env=other_stack.environ | {"FORCE": "1"},
        capture_output=True,
        text=True,
    )

    assert "nothing was deleted" in reset.stdout
    assert file.read_text() == "keep me"


@pytest.mark.deep
def test_production_on_the_demos_data_does_not_start(stack: Stack) -> None:
    """As a careless administrator would start it: the same database, another mode."""
    environ = stack.environ | {
        "GENBA_MODE": "production",
        "SECRET_KEY": "".join(map(chr, range(65, 105))),
        "DATABASE_URL": servers.url(stack.home, "app"),
        "REDIS_URL": servers.redis_url(stack.home),
    }
    command = [sys.executable, "-m", "uvicorn", "--factory", "service.main:app", "--port", str(free_port())]

    result = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)

    assert result.returncode != 0
    assert "holds the demo's accounts" in result.stdout + result.stderr


@pytest.mark.deep
def test_a_second_ctrl_c_does_not_leave_orphans(folder: Path) -> None:
    second_stack = make_stack(folder)
    second_stack.start(until="starting the processes")
    process = second_stack.process
    assert process is not None
    try:
        wait_for(lambda: (second_stack.home.pids / "service").exists(), "the service did not start")
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)

        assert process.wait(60) == 0
        assert list(second_stack.home.pids.glob("*")) == []
    finally:
        process.kill()
        process.wait(10)


def test_production_without_its_secrets_is_refused_with_a_message(folder: Path) -> None:
    without_secrets = make_stack(folder)
    without_secrets.environ["GENBA_MODE"] = "production"

    with pytest.raises(AssertionError, match="SECRET_KEY is missing"):
        without_secrets.start()


def test_only_the_backup_has_the_backup_roles_url(stack: Stack) -> None:
    names = [file.name for file in stack.home.pids.glob("*")]
    with_backup_url = {name for name in names if "DATABASE_BACKUP_URL" in psutil.Process(stack.pid(name)).environ()}

    assert with_backup_url == {"supervisord", "backup"}
    assert not [name for name in names if "DATABASE_OWNER_URL" in psutil.Process(stack.pid(name)).environ()]


@pytest.mark.deep
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of a parent's end")
def test_everything_ends_with_a_killed_launcher_and_the_next_start_finds_the_data(stack: Stack) -> None:
    assert stack.process is not None
    pids = [stack.pid(file.name) for file in stack.home.pids.glob("*")]
    assert len(pids) >= 8

    stack.process.kill()
    stack.process.wait(10)

    wait_for(lambda: not [pid for pid in pids if psutil.pid_exists(pid)], "processes outlived their launcher", 120)
    stack.start()
    assert stack.is_ready()
    assert not any("had left behind" in line or "created a database cluster" in line for line in stack.lines)
    printed = "".join(stack.lines)
    assert printed.index("Genba is ready") < printed.index("bringing the demo data up to date")


@pytest.mark.deep
def test_processes_left_by_a_killed_launcher_are_ended(stack: Stack) -> None:
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
