"""A worker that is asked to end, as each restart does it (SIGTERM, then 30 s): the launcher's own command."""

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
from tests.processes import tied
from tests.sandbox.process import TOKEN, Sandbox
from tests.waiting import wait_for
from tests.workers import Ground
from tests.workers import ground as ground

MESSAGES = 12
# The vendor has it, and the sender does not know it yet.
IN_THE_MIDDLE_SECONDS = 1.5


@contextmanager
def worker(ground: Ground, sandbox: Sandbox, home: Home) -> Iterator[subprocess.Popen[bytes]]:
    environ = os.environ | {
        "DATABASE_URL": ground.url,
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(sandbox.smtp_port),
        "SLACK_BASE_URL": sandbox.slack_url,
        "SLACK_BOT_TOKEN": TOKEN,
    }
    [command] = [
        one.command for one in programs(home, DEFAULTS | environ | {"GENBA_MODE": "production"}) if one.name == "worker"
    ]
    started = subprocess.Popen(tied(command), cwd=ROOT, env=environ)
    try:
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.wait(30)


def beat() -> bool:
    app.send_task("outbox.send")
    return True


def given_back() -> bool:
    """Nothing that a worker reserved is still reserved."""
    with Redis.from_url(settings().redis_url.get_secret_value()) as queue:
        return bool(queue.hlen("unacked") == 0)


@pytest.mark.faults
def test_a_worker_ends_after_the_message_at_hand_and_the_next_one_does_the_rest(
    ground: Ground, sandbox: Sandbox, running_servers: Home
) -> None:
    """A mail cannot be asked for afterwards: were its sender killed, it would come twice."""
    with transaction(SYSTEM) as db:
        for number in range(MESSAGES):
            queue.publish(db, "mail", MAIL | {"subject": f"件名 {number}"}, area="fleet", recipient="a", title="t")
            queue.publish(db, "slack", POST | {"text": f"本文 {number}"}, area="fleet", recipient="b", title="t")
    late = [sandbox.fault(vendor, "late", seconds=IN_THE_MIDDLE_SECONDS) for vendor in ("mail", "slack")]

    def sent() -> int:
        return int(ground.rows("SELECT count(*) FROM outbox_messages WHERE sent_at IS NOT NULL")[0][0])

    with worker(ground, sandbox, running_servers) as first:
        wait_for(lambda: beat() and sandbox.mails() and sandbox.posts(), seconds=90)
        for _ in range(20):
            beat()
        first.terminate()
        assert first.wait(30) == 0
    arrived = len(sandbox.mails()) + len(sandbox.posts())
    assert sent() == arrived
    assert 2 <= arrived < MESSAGES
    assert given_back()

    for one in late:
        sandbox.switch_off(one)
    with worker(ground, sandbox, running_servers) as second:
        wait_for(lambda: beat() and sent() == 2 * MESSAGES, seconds=90)
        second.terminate()
        assert second.wait(30) == 0
    assert sorted(one["subject"] for one in sandbox.mails()) == sorted(f"件名 {number}" for number in range(MESSAGES))
    assert sorted(one["text"] for one in sandbox.posts()) == sorted(f"本文 {number}" for number in range(MESSAGES))
