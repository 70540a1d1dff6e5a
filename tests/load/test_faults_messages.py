"""Messages on their way while processes die: none is lost, and none that has an id arrives twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from stack import programs, servers
from stack.home import ROOT
from tests.processes import tied
from tests.sight import seeing_all
from tests.stack import Stack, running_stack

pytestmark = pytest.mark.faults

MESSAGES = 120
# A sender that is killed keeps its message for the length of the lease; then another one takes it up.
LEASE_SECONDS, RECOVERY_SECONDS = 120, 30

PUBLISH = """
import sys, time
from sqlalchemy.exc import DBAPIError, TimeoutError
from service.core import identity, outbox
from service.core.db import SYSTEM, transaction
mark, count = sys.argv[1], int(sys.argv[2])
for number in range(count):
    mail = {"to": ["support@techcore.example"], "subject": f"{mark} {number}", "body": "本文です。"}
    post = {"channel": "#fleet-alerts", "text": f"{mark} {number}"}
    for attempt in range(100):
        try:
            with transaction(SYSTEM) as db:
                outbox.publish(db, "mail", mail, area="fleet", recipient="support@techcore.example", title=mark)
                outbox.publish(db, "slack", post, area="fleet", recipient="#fleet-alerts", title=mark)
            break
        except (DBAPIError, TimeoutError):
            time.sleep(0.3)
    else:
        raise SystemExit("the database never came back")
    time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with running_stack() as running:
        yield running


@contextmanager
def beside(stack: Stack, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """One more process with the settings of the stack's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", stack.environ)
        environ = programs.environment(stack.home)
    with (stack.home.logs / "beside.log").open("a") as log:
        process = subprocess.Popen(
            tied([sys.executable, *arguments]), cwd=ROOT, env=environ, stdout=log, stderr=log, text=True
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def open_messages(stack: Stack, mark: str) -> int:
    with psycopg.connect(seeing_all(servers.url(stack.home, "app")), autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(*) FROM outbox_messages WHERE title = %s AND sent_at IS NULL", [mark]
        ).fetchone()
    assert row is not None
    return int(row[0])


def arrived(stack: Stack, vendor: str, mark: str) -> Counter[str]:
    """What the vendor truly did, by subject or text: every entry of its log that says it did something."""
    with urllib.request.urlopen(f"{stack.sandbox}/_control/log?vendor={vendor}&q={mark}", timeout=10) as answer:
        entries = json.load(answer)
    found: Counter[str] = Counter()
    for entry in entries:
        said = str(entry["request"].get("subject") or entry["request"].get("text"))
        if said.startswith(f"{mark} ") and entry["did"]:
            found[said] += len(entry["did"])
    return found


def test_no_message_is_lost_and_none_with_an_id_arrives_twice(stack: Stack) -> None:
    """Two workers and two beats at work, while everything that a message passes is killed in turn."""
    mark = f"fault{os.getpid()}"
    celery = ("-m", "celery", "--app")
    with (
        beside(stack, *celery, "jobs.timetable", "beat", "--pidfile", ""),
        beside(stack, *celery, "jobs.app", "worker", "--pool", "threads", "--hostname", "second@%h"),
        beside(stack, "-c", PUBLISH, mark, str(MESSAGES)) as publishing,
    ):
        for name in ("worker", "valkey", "beat", "postgres", "worker"):
            time.sleep(3)
            os.kill(stack.pid(name), signal.SIGKILL)
        assert publishing.wait(60) == 0, (stack.home.logs / "beside.log").read_text()[-2000:]
        deadline = time.monotonic() + LEASE_SECONDS + RECOVERY_SECONDS
        while left := open_messages(stack, mark):
            assert time.monotonic() < deadline, f"{left} messages never left"
            time.sleep(1)

    wanted = {f"{mark} {number}" for number in range(MESSAGES)}
    posts, mails = arrived(stack, "slack", mark), arrived(stack, "mail", mark)
    print(f"{sum(posts.values())} posts of {len(posts)}, {sum(mails.values())} mails of {len(mails)}")
    assert set(posts) == wanted
    assert set(mails) == wanted
    # Slack can be asked whether an earlier try arrived. Mail cannot: what came twice has the same Message-ID.
    assert [text for text, times in posts.items() if times > 1] == []
