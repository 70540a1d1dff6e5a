"""Vendors that misbehave: what truly happened there, and what the outbox makes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session, sessionmaker

from jobs import outbox as outbox_jobs
from jobs.vendors import slack
from service.core import db as core_db
from service.core import outbox
from service.core.clock import app_clock, app_now, real_now
from service.core.outbox import OutboxMessage
from service.core.settings import settings
from stack.home import ROOT, Home
from tests.conftest import committed_database
from tests.jobs.outbox_scene import history, make_due, only_message, publish
from tests.sandbox.process import TOKEN, Sandbox
from tests.sight import seeing_all


def test_a_post_reaches_its_channel_once_with_the_outbox_key(db: Session, sandbox: Sandbox) -> None:
    publish(db, "slack")

    outbox_jobs.send_topic("slack")
    outbox_jobs.send_topic("slack")

    [post] = sandbox.posts()
    message = only_message(db)
    assert (post["channel_name"], post["text"]) == ("fleet-alerts", "アラートです。")
    assert post["metadata"]["event_payload"] == {"key": str(message.key)}
    assert message.external_id == f"{post['channel']}:{post['ts']}"


def test_a_post_whose_answer_was_lost_is_found_and_not_sent_again(db: Session, sandbox: Sandbox) -> None:
    publish(db, "slack")
    sandbox.fault("slack", "drop", door="chat.postMessage", count=1)

    outbox_jobs.send_topic("slack")
    message = only_message(db)
    assert (message.in_doubt, message.sent_at) == (True, None)
    assert message.next_attempt_at > real_now() + timedelta(seconds=20)
    make_due(db)
    outbox_jobs.send_topic("slack")

    assert len(sandbox.truth("slack", "chat.postMessage")) == 1
    [post] = sandbox.posts()
    assert only_message(db).external_id == f"{post['channel']}:{post['ts']}"
    assert history(db) == ["unknown", "found"]


def test_a_post_that_never_arrived_is_sent_once_the_channel_was_looked_through(db: Session, sandbox: Sandbox) -> None:
    publish(db, "slack")
    sandbox.fault("slack", "error", door="chat.postMessage", status=502, count=1)

    outbox_jobs.send_topic("slack")
    assert only_message(db).in_doubt
    make_due(db)
    outbox_jobs.send_topic("slack")

    assert len(sandbox.posts()) == 1
    assert history(db) == ["unknown", "sent"]


def test_while_slack_cannot_be_asked_nothing_is_sent(db: Session, sandbox: Sandbox) -> None:
    publish(db, "slack")
    sandbox.fault("slack", "drop", door="chat.postMessage", count=1)
    outbox_jobs.send_topic("slack")
    down = sandbox.fault("slack", "error", door="conversations.list", status=503)

    make_due(db)
    outbox_jobs.send_topic("slack")
    assert only_message(db).in_doubt
    sandbox.switch_off(down)
    make_due(db)
    outbox_jobs.send_topic("slack")

    assert len(sandbox.posts()) == 1
    assert history(db) == ["unknown", "unknown", "found"]


def test_a_slack_without_the_right_to_its_history_gets_the_post_again(db: Session, sandbox: Sandbox) -> None:
    """A doubled alert is better than a lost one."""
    publish(db, "slack")
    sandbox.fault("slack", "drop", door="chat.postMessage", count=1)
    outbox_jobs.send_topic("slack")
    sandbox.fault("slack", "error", door="conversations.list", code="missing_scope")

    make_due(db)
    outbox_jobs.send_topic("slack")

    assert [post["repeat"] for post in sandbox.posts()] == [1, 0]
    assert only_message(db).sent_at is not None


def test_a_mail_whose_answer_was_lost_is_repeated_under_the_same_id(db: Session, sandbox: Sandbox) -> None:
    publish(db, "mail")
    sandbox.fault("mail", "drop", door="DATA", count=1)

    outbox_jobs.send_topic("mail")
    assert only_message(db).in_doubt
    make_due(db)
    outbox_jobs.send_topic("mail")

    assert len({mail["message_id"] for mail in sandbox.mails()}) == 1
    assert [mail["repeat"] for mail in sandbox.mails()] == [1, 0]
    assert history(db) == ["unknown", "sent"]


def test_a_rate_limit_holds_the_whole_topic_until_slack_takes_posts_again(db: Session, sandbox: Sandbox) -> None:
    publish(db, "slack")
    publish(db, "slack")
    sandbox.fault("slack", "error", status=429, retry_after=90, count=1)

    outbox_jobs.send_topic("slack")

    db.expire_all()
    waits = [message.next_attempt_at - real_now() for message in db.scalars(select(OutboxMessage))]
    assert all(timedelta(seconds=80) < wait <= timedelta(seconds=90) for wait in waits)
    assert len(sandbox.truth("slack", "chat.postMessage")) == 1
    assert set(db.scalars(select(OutboxMessage.tries))) == {0}
    make_due(db)
    outbox_jobs.send_topic("slack")
    assert len(sandbox.posts()) == 2


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("channel_not_found", "チャンネルが見つかりません"),
        ("not_in_channel", "参加していません"),
        ("no_text", "（no_text）"),
    ],
)
def test_a_refusal_for_good_is_a_dead_letter_in_words(db: Session, sandbox: Sandbox, code: str, words: str) -> None:
    publish(db, "slack")
    sandbox.fault("slack", "error", code=code, count=1)

    outbox_jobs.send_topic("slack")

    message = only_message(db)
    assert message.dead_at is not None
    assert words in str(message.last_error)
    assert TOKEN not in str(message.last_error)


def test_a_wrong_token_is_named(db: Session, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    pointed = settings().model_copy(update={"slack_base_url": sandbox.slack_url})
    monkeypatch.setattr(slack, "settings", lambda: pointed)
    publish(db, "slack")

    outbox_jobs.send_topic("slack")

    assert "SLACK_BOT_TOKEN" in str(only_message(db).last_error)


def test_a_slack_that_is_away_was_not_reached(db: Session, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = settings().model_copy(update={"slack_base_url": "http://127.0.0.1:1/"})
    monkeypatch.setattr(slack, "settings", lambda: nowhere)
    publish(db, "slack")

    outbox_jobs.send_topic("slack")

    assert not only_message(db).in_doubt
    assert "Slack に接続できません" in str(only_message(db).last_error)


def test_an_expired_message_that_did_arrive_counts_as_sent(db: Session, sandbox: Sandbox) -> None:
    publish(db, "slack", expires_at=app_now(db) + timedelta(hours=1))
    sandbox.fault("slack", "drop", door="chat.postMessage", count=1)
    outbox_jobs.send_topic("slack")
    db.execute(app_clock.update().values(shift=app_clock.c.shift + timedelta(hours=2)))
    make_due(db)

    outbox_jobs.send_topic("slack")

    assert only_message(db).sent_at is not None
    assert len(sandbox.posts()) == 1


def test_an_expired_message_that_did_not_arrive_is_not_sent_any_more(db: Session, sandbox: Sandbox) -> None:
    publish(db, "slack", expires_at=app_now(db) + timedelta(hours=1))
    sandbox.fault("slack", "error", door="chat.postMessage", status=502, count=1)
    outbox_jobs.send_topic("slack")
    db.execute(app_clock.update().values(shift=app_clock.c.shift + timedelta(hours=2)))
    make_due(db)

    outbox_jobs.send_topic("slack")

    assert "有効期限" in str(only_message(db).last_error)
    assert sandbox.posts() == []


@pytest.fixture
def committed(running_servers: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database of its own, on which the jobs commit; its URL."""
    with committed_database(running_servers, "genba_vendors") as url:
        engine = create_engine(url)
        monkeypatch.setattr(core_db, "session_factory", lambda: sessionmaker(engine, expire_on_commit=False))
        yield url
        engine.dispose()


def test_a_slow_slack_does_not_hold_up_the_mail(committed: str, sandbox: Sandbox) -> None:
    with Session(engine := create_engine(seeing_all(committed))) as db:
        publish(db, "slack")
        publish(db, "mail")
        slow = sandbox.fault("slack", "delay", door="chat.postMessage", seconds=4)
        sender = threading.Thread(target=outbox_jobs.send_topic, args=("slack",))
        sender.start()
        begun = time.monotonic()

        outbox_jobs.send_topic("mail")

        assert time.monotonic() - begun < 3
        assert len(sandbox.mails()) == 1
        assert sandbox.posts() == []
        sender.join(15)
        assert len(sandbox.posts()) == 1
        sandbox.switch_off(slow)
    engine.dispose()


# A sender that dies as soon as the vendor has answered.
DYING = """
import os, signal
from service.core import outbox
outbox.sent = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
from jobs.outbox import send_topic
send_topic("slack")
"""


def test_a_sender_killed_between_sending_and_settling_sends_exactly_once(committed: str, sandbox: Sandbox) -> None:
    environ = os.environ | {
        "DATABASE_URL": committed.replace("postgresql+psycopg://", "postgresql://"),
        "SLACK_BASE_URL": sandbox.slack_url,
        "SLACK_BOT_TOKEN": TOKEN,
    }
    with Session(engine := create_engine(seeing_all(committed))) as db:
        publish(db, "slack")

        died = subprocess.run([sys.executable, "-c", DYING], cwd=ROOT, env=environ, timeout=60)

        assert died.returncode == -signal.SIGKILL
        assert only_message(db).lease is not None
        assert outbox.claim(db, "slack") is None
        make_due(db)  # as after the lease
        outbox_jobs.send_topic("slack")
        assert only_message(db).sent_at is not None
        assert history(db) == ["lost", "found"]
        assert len(sandbox.truth("slack", "chat.postMessage")) == 1
    engine.dispose()
