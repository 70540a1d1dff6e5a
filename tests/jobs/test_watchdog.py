"""The watchdog tells Slack of an outage once, however often either of them is killed, and ends it in its place."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal

from service.core.areas import ticks
from service.core.database.session import SYSTEM, transaction
from service.core.monitoring.health import record_job
from service.core.values.times import format_local_datetime
from stack import outages
from stack.home import ROOT
from stack.outages import DOWN, STALLED, Outages, Slack
from stack.watchdog import Probe
from tests.processes import end, free_port, tied
from tests.restored import Restored
from tests.sandbox.process import TOKEN, Sandbox
from tests.waiting import wait_for
from tests.whole import answering

BEGIN = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=20)
BEGUN = format_local_datetime(BEGIN)
REFUSED = "接続できません（プログラムが動いていません）"


@dataclass
class Dog:
    """A watchdog's memory of outages, with a file that outlives it."""

    file: Path
    slack: Slack
    rounds: int = 0
    after: int = 2

    def sees(self, down: str | None, *more: str | None, dashboards: str | None = None) -> bool:
        """Rounds of half a minute, each by a watchdog that forgot everything but its file, told or not."""
        hurry = False
        with closing(sqlite3.connect(self.file, isolation_level=None)) as db:
            dog = Outages(db, self.slack, self.after, "http://genba.example/monitoring", "here")
            for one in (down, *more):
                at = (BEGIN + self.rounds * timedelta(seconds=30)).isoformat()
                self.rounds += 1
                hurry = dog.take([Probe("service", at, 1, one), Probe("dashboards", at, 1, dashboards)])
                dog.tell()
        return hurry


@pytest.fixture
def dog(sandbox: Sandbox, tmp_path: Path) -> Dog:
    return Dog(tmp_path / "probes.sqlite", Slack(sandbox.slack_url, TOKEN, "#qrv-alerts"))


def posts(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Oldest first."""
    return sandbox.posts()[::-1]


def test_an_outage_is_told_after_two_failures_and_ended_in_its_place(dog: Dog, sandbox: Sandbox) -> None:
    assert not dog.sees(REFUSED, REFUSED, REFUSED)
    [post] = posts(sandbox)
    assert post["text"].splitlines() == [
        DOWN,
        f"データサービス: {REFUSED}",
        f"検知: {BEGUN}（監視元: here）",
        "<http://genba.example/monitoring|監視を開く>",
    ]

    dog.rounds = 4
    assert not dog.sees(None, None)
    post, reply = posts(sandbox)
    assert post["text"].splitlines()[:2] == [f"【解決済み】{DOWN}", f"{BEGUN} から 2分"]
    assert (reply["thread_ts"], reply["text"]) == (post["ts"], "解決しました（2分）")
    assert len(sandbox.truth("slack", "chat.postMessage")) == 2


def test_one_failure_is_no_outage_and_one_good_answer_no_end(dog: Dog, sandbox: Sandbox) -> None:
    assert dog.sees(None, REFUSED)
    dog.sees(REFUSED, None, REFUSED, None)
    assert posts(sandbox) == []

    dog.sees(REFUSED, REFUSED, None, REFUSED, None, REFUSED)
    assert [post["text"].splitlines()[0] for post in posts(sandbox)] == [DOWN]


def test_a_watchdog_that_was_restarted_goes_on_with_the_open_outage(dog: Dog, sandbox: Sandbox) -> None:
    dog.sees(REFUSED, REFUSED)
    for _ in range(3):
        dog.sees(REFUSED, REFUSED)
    dog.sees(None, None)

    post, reply = posts(sandbox)
    assert post["text"].startswith("【解決済み】")
    assert reply["text"].startswith("解決しました")


@pytest.mark.parametrize("kind", ["drop", "error"])
def test_what_slack_may_have_is_looked_for_before_it_is_told_again(dog: Dog, sandbox: Sandbox, kind: str) -> None:
    """Its answer was lost, or it says 500 and has it all the same."""
    more = {"status": 500, "done": True} if kind == "error" else {}
    sandbox.fault("slack", kind, door="chat.postMessage", count=1, **more)
    dog.sees(REFUSED, REFUSED)
    sandbox.fault("slack", "error", door="conversations.list", status=503, count=1)
    dog.sees(REFUSED)
    assert len(sandbox.truth("slack", "chat.postMessage")) == 1

    sandbox.fault("slack", kind, door="chat.postMessage", count=1, **more)
    dog.sees(REFUSED, None, None, None, None)

    assert [post["text"].splitlines()[0] for post in posts(sandbox)] == [f"【解決済み】{DOWN}", "解決しました（2分）"]
    assert len(sandbox.truth("slack", "chat.postMessage")) == 2


def test_a_slack_without_the_right_to_its_history_is_told_again(dog: Dog, sandbox: Sandbox) -> None:
    sandbox.fault("slack", "error", door="conversations.list", code="missing_scope")
    sandbox.fault("slack", "drop", door="chat.postMessage", count=1)
    dog.sees(REFUSED, REFUSED, REFUSED)

    assert len(posts(sandbox)) == 2


def test_an_outage_that_slack_heard_nothing_of_is_told_when_it_is_over(dog: Dog, sandbox: Sandbox) -> None:
    down = sandbox.fault("slack", "error", status=429)
    dog.sees(REFUSED, REFUSED, REFUSED, None, None)
    assert posts(sandbox) == []
    sandbox.switch_off(down)

    dog.sees(None)
    dog.sees(None)

    [post] = posts(sandbox)
    assert post["text"].startswith(f"【解決済み】{DOWN}\n")


def test_silent_jobs_alone_are_said_to_be_just_that_and_worse_is_told_at_once(dog: Dog, sandbox: Sandbox) -> None:
    jobs = "jobs: ジョブ reservations.flow が75秒間動いていません"
    dog.sees(jobs, jobs)
    assert posts(sandbox)[0]["text"].splitlines()[:2] == [STALLED, f"データサービス: {jobs}"]

    dog.sees(REFUSED, REFUSED)
    first, worse = posts(sandbox)
    assert (worse["thread_ts"], worse["broadcast"]) == (first["ts"], True)
    assert worse["text"].startswith(DOWN)

    dog.sees(None, None)
    assert posts(sandbox)[0]["text"].startswith(f"【解決済み】{DOWN}")


def test_the_thread_hears_every_half_hour_that_it_goes_on(
    dog: Dog, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    dog.sees(REFUSED, REFUSED, REFUSED)
    assert len(posts(sandbox)) == 1
    monkeypatch.setattr(outages, "REPEAT_AFTER", timedelta())
    dog.sees(REFUSED, REFUSED)

    first, *replies = posts(sandbox)
    assert [(reply["thread_ts"], reply["broadcast"]) for reply in replies] == [(first["ts"], False)] * 2
    assert replies[0]["text"].endswith(REFUSED)


@pytest.mark.parametrize(
    ("seconds", "words"), [(59.9, "59秒"), (60, "1分"), (3599, "59分"), (3600, "1時間0分"), (-1, "0秒")]
)
def test_how_long_it_lasted_is_said_in_seconds_minutes_or_hours(seconds: float, words: str) -> None:
    begun = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
    assert outages.duration_text(begun.isoformat(), (begun + timedelta(seconds=seconds)).isoformat()) == words


def test_a_message_that_was_deleted_in_slack_holds_up_nothing(dog: Dog, sandbox: Sandbox) -> None:
    dog.sees(REFUSED, REFUSED)
    sandbox.fault("slack", "error", door="chat.update", code="message_not_found", count=1)
    dog.sees(None, None, None)
    assert len(sandbox.truth("slack", "chat.update")) == 1

    dog.sees(REFUSED, REFUSED)
    assert [post["text"].splitlines()[0] for post in posts(sandbox)] == [DOWN, DOWN]


def test_what_a_door_says_makes_no_link_in_slack(dog: Dog, sandbox: Sandbox) -> None:
    dog.sees("状態 500 <!channel>", "状態 500 <!channel>")

    assert "&lt;!channel&gt;" in posts(sandbox)[0]["text"]


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Processes that end with the test."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*command: str, **environ: str) -> subprocess.Popen[bytes]:
        running.append(subprocess.Popen(tied(command), cwd=ROOT, env=os.environ | environ, stdout=subprocess.DEVNULL))
        return running[-1]

    yield start
    for process in running:
        if process.poll() is None:
            end(process)


def await_posts(sandbox: Sandbox, *firsts: str) -> None:
    """The first lines of what stands in Slack."""

    def found() -> list[str]:
        return [post["text"].splitlines()[0].split("（")[0] for post in posts(sandbox)]

    wait_for(lambda: found() == list(firsts))


def await_rounds(file: Path, several: int = 3) -> None:
    """Of the watchdog that has that file: so many more."""

    def rounds() -> int:
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT count(*) FROM probes WHERE target = 'service'").fetchone()[0])
        return 0

    before = rounds()
    wait_for(lambda: rounds() >= before + several)


@pytest.mark.deep
def test_a_service_that_is_away_is_told_within_moments_also_by_a_watchdog_that_was_killed(
    committed: Restored,
    portal: BlockingPortal,
    sandbox: Sandbox,
    tmp_path: Path,
    started: Callable[..., subprocess.Popen[bytes]],
) -> None:
    port, file = free_port(), tmp_path / "probes.sqlite"
    with transaction(SYSTEM) as db:
        for name in ticks():
            record_job(db, name)
    address = f"http://127.0.0.1:{port}"
    environ = {
        "SERVICE_URL": address,
        # The same door twice: what is behind the other one is not what this is about.
        "PUBLIC_BASE_URL": f"{address}/api/health/live?",
        "WATCHDOG_FILE": str(file),
        "WATCHDOG_INTERVAL_SECONDS": "2",
        "SLACK_BASE_URL": sandbox.slack_url,
        "SLACK_BOT_TOKEN": TOKEN,
        "RESERVATIONS_SLACK_CHANNEL": "#qrv-alerts",
    }
    with answering(portal, port):
        watchdog = started(sys.executable, "-m", "stack.watchdog", **environ)
        await_rounds(file)
        assert posts(sandbox) == []

    await_posts(sandbox, DOWN)
    watchdog.kill()
    watchdog.wait(30)
    started(sys.executable, "-m", "stack.watchdog", **environ)
    await_rounds(file)
    await_posts(sandbox, DOWN)

    with answering(portal, port):
        await_posts(sandbox, f"【解決済み】{DOWN}", "解決しました")
        await_rounds(file)
    await_posts(sandbox, f"【解決済み】{DOWN}", "解決しました")
    assert {post["channel_name"] for post in posts(sandbox)} == {"qrv-alerts"}
