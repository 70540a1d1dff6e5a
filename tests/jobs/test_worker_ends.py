"""Graceful shutdown of a worker, as at each restart (SIGTERM, then 30 s), with the launcher's own command."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from redis import Redis

from jobs.timetable import app
from service.core.database.session import SYSTEM, transaction
from service.core.outbox import queue
from service.core.settings import settings
from stack.home import ROOT, Home
from stack.programs import DEFAULTS, programs
from tests.jobs.outbox_scene import MAIL, POST
from tests.processes import child_command
from tests.sandbox.process import TOKEN, Sandbox
from tests.waiting import wait_for
from tests.workers import Environment
from tests.workers import environment as environment

MESSAGES = 12
# In this time the vendor has the message, and the sender does not know it yet.
ANSWER_DELAY_SECONDS = 1.5


@contextmanager
def worker(environment: Environment, sandbox: Sandbox, home: Home) -> Iterator[subprocess.Popen[bytes]]:
    environ = os.environ | {
        "DATABASE_URL": environment.url,
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(sandbox.smtp_port),
        "SLACK_BASE_URL": sandbox.slack_url,
        "SLACK_BOT_TOKEN": TOKEN,
    }
    [command] = [
        program.command
        for program in programs(home, DEFAULTS | environ | {"GENBA_MODE": "production"})
        if program.name == "worker"
    ]
    started = subprocess.Popen(child_command(command), cwd=ROOT, env=environ)
    try:
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.wait(30)


def send_tick() -> bool:
    app.send_task("outbox.send")
    return True


def is_queue_released() -> bool:
    """Whether no task is reserved by a worker any more."""
    with Redis.from_url(settings().redis_url.get_secret_value()) as valkey:
        return bool(valkey.hlen("unacked") == 0)


@pytest.mark.faults
def test_a_worker_ends_after_the_message_at_hand_and_the_next_one_does_the_rest(
    environment: Environment, sandbox: Sandbox, running_servers: Home
) -> None:
    """A mail server cannot be asked for a sent mail: if the sender were killed, the mail would arrive twice."""
    with transaction(SYSTEM) as db:
        for number in range(MESSAGES):
            queue.publish(db, "mail", MAIL | {"subject": f"件名 {number}"}, area="fleet", recipient="a", title="t")
            queue.publish(db, "slack", POST | {"text": f"本文 {number}"}, area="fleet", recipient="b", title="t")
    delays = [sandbox.fault(vendor, "late", seconds=ANSWER_DELAY_SECONDS) for vendor in ("mail", "slack")]

    def sent() -> int:
        return int(environment.rows("SELECT count(*) FROM outbox_messages WHERE sent_at IS NOT NULL")[0][0])

    with worker(environment, sandbox, running_servers) as first:
        wait_for(lambda: send_tick() and sandbox.mails() and sandbox.posts(), seconds=90)
        for _ in range(20):
            send_tick()
        first.terminate()
        assert first.wait(30) == 0
    arrived = len(sandbox.mails()) + len(sandbox.posts())
    assert sent() == arrived
    assert 2 <= arrived < MESSAGES
    assert is_queue_released()

    for delay in delays:
        sandbox.switch_off(delay)
    with worker(environment, sandbox, running_servers) as second:
        wait_for(lambda: send_tick() and sent() == 2 * MESSAGES, seconds=90)
        second.terminate()
        assert second.wait(30) == 0
    assert sorted(mail["subject"] for mail in sandbox.mails()) == sorted(f"件名 {number}" for number in range(MESSAGES))
    assert sorted(post["text"] for post in sandbox.posts()) == sorted(f"本文 {number}" for number in range(MESSAGES))
