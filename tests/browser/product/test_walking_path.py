"""The one thin path through every room, in a real browser, with every part real."""

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
from tests.processes import free_port, tied
from tests.rls_bypass import seeing_all
from tests.stack import Stack, make_stack, some_folder
from tests.waiting import wait_for

STORE = "新宿店 レジ1番"


@pytest.fixture
def folder() -> Iterator[Path]:
    with some_folder() as made:
        yield made


def mails(stack: Stack) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{stack.sandbox}/mails", timeout=5) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found


def seconds_since_heard(stack: Stack) -> float:
    with psycopg.connect(seeing_all(stack.database)) as connection:
        [found] = connection.execute(
            "SELECT extract(epoch FROM app_now() - s.last_heartbeat_at) FROM fleet_terminal_states s "
            "JOIN fleet_terminals t ON t.id = s.terminal_id WHERE t.serial_number = 'TC200-000001'"
        ).fetchone() or [0]
    return float(found)


def is_about_silence(mail: dict[str, Any]) -> bool:
    return STORE in mail["body"] and "オフライン" in mail["subject"] + mail["body"]


def test_a_person_sees_a_store_fall_silent_and_come_back(page: Page, stack: Stack) -> None:
    sign_in(page, stack)
    expect(page.get_by_role("heading", name="ダッシュボード")).to_be_visible()
    expect(page.get_by_text("総端末数", exact=True)).to_be_visible()
    expect(page.get_by_text("92台", exact=True)).to_be_visible()
    # Its CPU is this machine's, which may be busy enough for an alert of its own.
    alert = page.locator("p").filter(has_text=re.compile(rf"ABC商事 - {STORE}:.*オフライン"))
    expect(alert).to_have_count(0)

    # The store's PC loses power: its agent is gone without a word.
    agent = psutil.Process(stack.pid("agent"))
    agent.suspend()
    try:
        wait_for(lambda: seconds_since_heard(stack) > 1, "a heartbeat that had already left did not arrive")
        stack.move_clock(minutes=3, silent="TC200-000001")
        # On a busy machine it may arrive after the clock has moved: then the silence begins there.
        expect(alert.first).to_be_visible()
        wait_for(lambda: any(is_about_silence(mail) for mail in mails(stack)), "no mail about the silent store")
    finally:
        agent.resume()

    expect(alert).to_have_count(0)


def test_an_error_on_the_serial_line_becomes_a_mail_that_reads_well(stack: Stack, page: Page) -> None:
    def about_the_error() -> list[dict[str, Any]]:
        return [mail for mail in mails(stack) if f"{STORE}: エラー" in mail["subject"]]

    toggle = functools.partial(os.kill, stack.pid("terminal"), signal.SIGUSR1)
    toggle()
    try:
        wait_for(about_the_error, "no mail about the error")
    finally:
        toggle()
    mail = about_the_error()[0]
    assert mail["recipients"] == ["support@techcore.example"]
    # Where other tills of the store fell silent meanwhile, it is one incident and says so.
    assert re.fullmatch(rf"【Genba】ABC商事 - {STORE}: エラー( ほか\d+件)?", mail["subject"])
    assert "カードリーダー応答なし" in mail["body"]

    page.goto(stack.sandbox)
    expect(page.get_by_text(mail["subject"]).first).to_be_visible()


def test_reload_and_a_second_tab_keep_the_person_signed_in(page: Page, stack: Stack) -> None:
    sign_in(page, stack)
    expect(page.get_by_text("総端末数", exact=True)).to_be_visible()

    page.reload()
    expect(page.get_by_text("総端末数", exact=True)).to_be_visible()
    other = page.context.new_page()
    other.goto(f"{stack.dashboards}/dashboard")
    expect(other.get_by_text("総端末数", exact=True)).to_be_visible()


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


def test_the_browser_reports_no_error_and_fetches_no_charts_where_there_are_none(page: Page, stack: Stack) -> None:
    """Nor does it report that a policy was broken."""
    said: list[str] = []
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(request.url))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))

    sign_in(page, stack)
    expect(page.get_by_text("顧客別状況")).to_be_visible()
    page.wait_for_load_state("networkidle")

    assert said == []
    assert not [url for url in fetched if "plotly" in url.lower()]


def restarted(stack: Stack, name: str, before: int) -> bool:
    return stack.pid(name) != before


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
    before = stack.pid(name)
    os.kill(before, signal.SIGKILL)
    wait_for(partial(restarted, stack, name, before), f"{name} was not started again")
    wait_for(stack.is_ready, f"not ready after {name} was killed")


def test_a_taken_port_is_one_clear_sentence(stack: Stack, folder: Path) -> None:
    second = make_stack(folder)
    second.environ["SERVICE_PORT"] = stack.environ["SERVICE_PORT"]

    with pytest.raises(AssertionError, match=f"Port {stack.environ['SERVICE_PORT']} is taken by another program") as no:
        second.start()

    assert "SERVICE_PORT=" in str(no.value)
    assert "Traceback" not in str(no.value)


def test_a_second_start_in_the_same_place_is_refused_in_words(stack: Stack) -> None:
    with pytest.raises(AssertionError, match="already running from this folder"):
        Stack(stack.home, stack.environ).start()


def test_a_port_that_is_no_number_is_refused_in_words(folder: Path) -> None:
    bare = make_stack(folder)
    bare.environ["SERVICE_PORT"] = "abc"

    with pytest.raises(AssertionError, match="SERVICE_PORT must be a port number"):
        bare.start()


def test_a_folder_that_is_not_ours_is_left_alone(folder: Path) -> None:
    foreign = make_stack(folder)
    foreign.home.path.mkdir()
    precious = foreign.home.path / "precious.txt"
    precious.write_text("keep me")

    with pytest.raises(AssertionError, match="holds something else"):
        foreign.start()
    reset = subprocess.run(
        [sys.executable, "-m", "stack", "reset"],
        cwd=ROOT,
        env=foreign.environ | {"FORCE": "1"},
        capture_output=True,
        text=True,
    )

    assert "nothing was deleted" in reset.stdout
    assert precious.read_text() == "keep me"


@pytest.mark.deep
def test_production_on_the_demos_data_does_not_start(stack: Stack) -> None:
    """In the way a careless administrator would: the same database, another mode."""
    environ = stack.environ | {
        "GENBA_MODE": "production",
        "SECRET_KEY": "".join(map(chr, range(65, 105))),
        "DATABASE_URL": servers.url(stack.home, "app"),
        "REDIS_URL": servers.redis_url(stack.home),
    }
    command = [sys.executable, "-m", "uvicorn", "--factory", "service.main:app", "--port", str(free_port())]

    refused = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)

    assert refused.returncode != 0
    assert "holds the demo's accounts" in refused.stdout + refused.stderr


@pytest.mark.deep
def test_a_second_ctrl_c_does_not_leave_orphans(folder: Path) -> None:
    hasty = make_stack(folder)
    process = subprocess.Popen(
        tied([sys.executable, "-m", "stack", "up"]), cwd=ROOT, env=hasty.environ, stdout=subprocess.DEVNULL
    )
    wait_for(lambda: (hasty.home.pids / "service").exists(), "the service did not start")
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)

    assert process.wait(60) == 0
    assert list(hasty.home.pids.glob("*")) == []


def test_production_without_its_secrets_is_refused_in_words(folder: Path) -> None:
    bare = make_stack(folder)
    bare.environ["GENBA_MODE"] = "production"

    with pytest.raises(AssertionError, match="SECRET_KEY is missing"):
        bare.start()


def test_only_the_backup_sees_the_backup_roles_address(stack: Stack) -> None:
    names = [file.name for file in stack.home.pids.glob("*")]
    seen = {name for name in names if "DATABASE_BACKUP_URL" in psutil.Process(stack.pid(name)).environ()}

    assert seen == {"supervisord", "backup"}
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


@pytest.mark.deep
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
