"""The watchdog posts an outage to Slack once, however often it or the service is killed, and closes that post when
the outage ends."""

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
from tests.processes import child_command, free_port, stop_process
from tests.restored import RestoredDatabase
from tests.sandbox.process import TOKEN, Sandbox
from tests.waiting import wait_for
from tests.whole import serve_app

STARTED_AT = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=20)
STARTED_TEXT = format_local_datetime(STARTED_AT)
REFUSED = "接続できません（プログラムが動いていません）"


@dataclass
class Watchdog:
    """A watchdog whose outages are stored in a file."""

    file: Path
    slack: Slack
    rounds: int = 0
    after: int = 2

    def run_rounds(self, error: str | None, *errors: str | None, dashboards: str | None = None) -> bool:
        """Runs a round for each error, half a minute apart, in a watchdog that just restarted with its file."""
        is_urgent = False
        with closing(sqlite3.connect(self.file, isolation_level=None)) as db:
            tracker = Outages(db, self.slack, self.after, "http://genba.example/monitoring", "here")
            for service_error in (error, *errors):
                at = (STARTED_AT + self.rounds * timedelta(seconds=30)).isoformat()
                self.rounds += 1
                is_urgent = tracker.take(
                    [Probe("service", at, 1, service_error), Probe("dashboards", at, 1, dashboards)]
                )
                tracker.send_reports()
        return is_urgent


@pytest.fixture
def watchdog(sandbox: Sandbox, tmp_path: Path) -> Watchdog:
    return Watchdog(tmp_path / "probes.sqlite", Slack(sandbox.slack_url, TOKEN, "#qrv-alerts"))


def posts(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Oldest first."""
    return sandbox.posts()[::-1]


def test_an_outage_is_posted_after_two_failures_and_its_post_is_resolved(watchdog: Watchdog, sandbox: Sandbox) -> None:
    assert not watchdog.run_rounds(REFUSED, REFUSED, REFUSED)
    [post] = posts(sandbox)
    assert post["text"].splitlines() == [
        DOWN,
        f"データサービス: {REFUSED}",
        f"検知: {STARTED_TEXT}（監視元: here）",
        "<http://genba.example/monitoring|監視を開く>",
    ]

    watchdog.rounds = 4
    assert not watchdog.run_rounds(None, None)
    post, reply = posts(sandbox)
    assert post["text"].splitlines()[:2] == [f"【解決済み】{DOWN}", f"{STARTED_TEXT} から 2分"]
    assert (reply["thread_ts"], reply["text"]) == (post["ts"], "解決しました（2分）")
    assert len(sandbox.truth("slack", "chat.postMessage")) == 2


def test_one_failure_is_no_outage_and_one_good_answer_no_end(watchdog: Watchdog, sandbox: Sandbox) -> None:
    assert watchdog.run_rounds(None, REFUSED)
    watchdog.run_rounds(REFUSED, None, REFUSED, None)
    assert posts(sandbox) == []

    watchdog.run_rounds(REFUSED, REFUSED, None, REFUSED, None, REFUSED)
    assert [post["text"].splitlines()[0] for post in posts(sandbox)] == [DOWN]


def test_a_watchdog_that_was_restarted_goes_on_with_the_open_outage(watchdog: Watchdog, sandbox: Sandbox) -> None:
    watchdog.run_rounds(REFUSED, REFUSED)
    for _ in range(3):
        watchdog.run_rounds(REFUSED, REFUSED)
    watchdog.run_rounds(None, None)

    post, reply = posts(sandbox)
    assert post["text"].startswith("【解決済み】")
    assert reply["text"].startswith("解決しました")


@pytest.mark.parametrize("kind", ["drop", "error"])
def test_a_post_that_slack_may_have_is_searched_for_before_it_is_repeated(
    watchdog: Watchdog, sandbox: Sandbox, kind: str
) -> None:
    """Its answer was lost, or it answers 500 and has the post."""
    values = {"status": 500, "done": True} if kind == "error" else {}
    sandbox.fault("slack", kind, operation="chat.postMessage", count=1, **values)
    watchdog.run_rounds(REFUSED, REFUSED)
    sandbox.fault("slack", "error", operation="conversations.list", status=503, count=1)
    watchdog.run_rounds(REFUSED)
    assert len(sandbox.truth("slack", "chat.postMessage")) == 1

    sandbox.fault("slack", kind, operation="chat.postMessage", count=1, **values)
    watchdog.run_rounds(REFUSED, None, None, None, None)

    assert [post["text"].splitlines()[0] for post in posts(sandbox)] == [f"【解決済み】{DOWN}", "解決しました（2分）"]
    assert len(sandbox.truth("slack", "chat.postMessage")) == 2


def test_a_slack_without_the_right_to_its_history_gets_the_post_again(watchdog: Watchdog, sandbox: Sandbox) -> None:
    sandbox.fault("slack", "error", operation="conversations.list", code="missing_scope")
    sandbox.fault("slack", "drop", operation="chat.postMessage", count=1)
    watchdog.run_rounds(REFUSED, REFUSED, REFUSED)

    assert len(posts(sandbox)) == 2


def test_an_outage_that_slack_missed_is_posted_when_it_is_over(watchdog: Watchdog, sandbox: Sandbox) -> None:
    outage = sandbox.fault("slack", "error", status=429)
    watchdog.run_rounds(REFUSED, REFUSED, REFUSED, None, None)
    assert posts(sandbox) == []
    sandbox.switch_off(outage)

    watchdog.run_rounds(None)
    watchdog.run_rounds(None)

    [post] = posts(sandbox)
    assert post["text"].startswith(f"【解決済み】{DOWN}\n")


def test_stalled_jobs_are_posted_as_such_and_a_worse_outage_at_once(watchdog: Watchdog, sandbox: Sandbox) -> None:
    error = "jobs: ジョブ reservations.flow が75秒間動いていません"
    watchdog.run_rounds(error, error)
    assert posts(sandbox)[0]["text"].splitlines()[:2] == [STALLED, f"データサービス: {error}"]

    watchdog.run_rounds(REFUSED, REFUSED)
    first, worse = posts(sandbox)
    assert (worse["thread_ts"], worse["broadcast"]) == (first["ts"], True)
    assert worse["text"].startswith(DOWN)

    watchdog.run_rounds(None, None)
    assert posts(sandbox)[0]["text"].startswith(f"【解決済み】{DOWN}")


def test_the_thread_gets_an_update_every_half_hour(
    watchdog: Watchdog, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    watchdog.run_rounds(REFUSED, REFUSED, REFUSED)
    assert len(posts(sandbox)) == 1
    monkeypatch.setattr(outages, "REPEAT_AFTER", timedelta())
    watchdog.run_rounds(REFUSED, REFUSED)

    first, *replies = posts(sandbox)
    assert [(reply["thread_ts"], reply["broadcast"]) for reply in replies] == [(first["ts"], False)] * 2
    assert replies[0]["text"].endswith(REFUSED)


@pytest.mark.parametrize(
    ("seconds", "text"), [(59.9, "59秒"), (60, "1分"), (3599, "59分"), (3600, "1時間0分"), (-1, "0秒")]
)
def test_a_duration_is_in_seconds_minutes_or_hours(seconds: float, text: str) -> None:
    started_at = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
    assert outages.duration_text(started_at.isoformat(), (started_at + timedelta(seconds=seconds)).isoformat()) == text


def test_a_message_that_was_deleted_in_slack_holds_up_nothing(watchdog: Watchdog, sandbox: Sandbox) -> None:
    watchdog.run_rounds(REFUSED, REFUSED)
    sandbox.fault("slack", "error", operation="chat.update", code="message_not_found", count=1)
    watchdog.run_rounds(None, None, None)
    assert len(sandbox.truth("slack", "chat.update")) == 1

    watchdog.run_rounds(REFUSED, REFUSED)
    assert [post["text"].splitlines()[0] for post in posts(sandbox)] == [DOWN, DOWN]


def test_an_error_text_makes_no_link_in_slack(watchdog: Watchdog, sandbox: Sandbox) -> None:
    watchdog.run_rounds("状態 500 <!channel>", "状態 500 <!channel>")

    assert "&lt;!channel&gt;" in posts(sandbox)[0]["text"]


@pytest.fixture
def start_process() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts processes that end with the test."""
    processes: list[subprocess.Popen[bytes]] = []

    def start(*command: str, **environ: str) -> subprocess.Popen[bytes]:
        processes.append(
            subprocess.Popen(child_command(command), cwd=ROOT, env=os.environ | environ, stdout=subprocess.DEVNULL)
        )
        return processes[-1]

    yield start
    for process in processes:
        if process.poll() is None:
            stop_process(process)


def await_posts(sandbox: Sandbox, *first_lines: str) -> None:
    """Waits until the posts in Slack have these first lines."""

    def shown_lines() -> list[str]:
        return [post["text"].splitlines()[0].split("（")[0] for post in posts(sandbox)]

    wait_for(lambda: shown_lines() == list(first_lines))


def await_rounds(file: Path, count: int = 3) -> None:
    """Waits for that many more rounds of the watchdog with that file."""

    def rounds() -> int:
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT count(*) FROM probes WHERE target = 'service'").fetchone()[0])
        return 0

    before = rounds()
    wait_for(lambda: rounds() >= before + count)


@pytest.mark.deep
def test_an_outage_is_posted_quickly_also_by_a_restarted_watchdog(
    committed: RestoredDatabase,
    portal: BlockingPortal,
    sandbox: Sandbox,
    tmp_path: Path,
    start_process: Callable[..., subprocess.Popen[bytes]],
) -> None:
    port, file = free_port(), tmp_path / "probes.sqlite"
    with transaction(SYSTEM) as db:
        for name in ticks():
            record_job(db, name)
    address = f"http://127.0.0.1:{port}"
    environ = {
        "SERVICE_URL": address,
        # The same route twice: the dashboards are not part of this test.
        "PUBLIC_BASE_URL": f"{address}/api/health/live?",
        "WATCHDOG_FILE": str(file),
        "WATCHDOG_INTERVAL_SECONDS": "2",
        "SLACK_BASE_URL": sandbox.slack_url,
        "SLACK_BOT_TOKEN": TOKEN,
        "RESERVATIONS_SLACK_CHANNEL": "#qrv-alerts",
    }
    with serve_app(portal, port):
        watchdog = start_process(sys.executable, "-m", "stack.watchdog", **environ)
        await_rounds(file)
        assert posts(sandbox) == []

    await_posts(sandbox, DOWN)
    watchdog.kill()
    watchdog.wait(30)
    start_process(sys.executable, "-m", "stack.watchdog", **environ)
    await_rounds(file)
    await_posts(sandbox, DOWN)

    with serve_app(portal, port):
        await_posts(sandbox, f"【解決済み】{DOWN}", "解決しました")
        await_rounds(file)
    await_posts(sandbox, f"【解決済み】{DOWN}", "解決しました")
    assert {post["channel_name"] for post in posts(sandbox)} == {"qrv-alerts"}
