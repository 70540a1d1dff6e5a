"""Vendors that misbehave: what happens at the vendor, and what the outbox does about it."""

from __future__ import annotations

import asyncio
import smtplib
import threading
from datetime import timedelta

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope
from sqlalchemy import select
from sqlalchemy.orm import Session

from jobs import outbox as outbox_jobs
from jobs.vendors import MOST_SECONDS, PermanentFailure, mail, slack
from service.core.database.clock import app_clock, app_now, real_now
from service.core.outbox import queue
from service.core.outbox.records import OutboxMessage
from service.core.settings import settings
from tests.jobs.outbox_scene import MAIL, history, make_due, only_message, publish
from tests.processes import free_port
from tests.restored import RestoredDatabase
from tests.sandbox.process import TOKEN, Sandbox


@pytest.mark.parametrize(("codes", "is_permanent"), [((550, 550), True), ((550, 450), False), ((450,), False)])
def test_a_mail_is_given_up_only_when_every_recipient_is_refused_for_good(
    codes: tuple[int, ...], is_permanent: bool
) -> None:
    refused = {f"user{number}@shop.example": (code, b"") for number, code in enumerate(codes)}

    failure = mail._failure(smtplib.SMTPRecipientsRefused(refused), "sending")

    assert isinstance(failure, PermanentFailure) is is_permanent


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
    sandbox.fault("slack", "drop", operation="chat.postMessage", count=1)

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
    sandbox.fault("slack", "error", operation="chat.postMessage", status=502, count=1)

    outbox_jobs.send_topic("slack")
    assert only_message(db).in_doubt
    make_due(db)
    outbox_jobs.send_topic("slack")

    assert len(sandbox.posts()) == 1
    assert history(db) == ["unknown", "sent"]


def test_while_slack_cannot_be_asked_nothing_is_sent(db: Session, sandbox: Sandbox) -> None:
    publish(db, "slack")
    sandbox.fault("slack", "drop", operation="chat.postMessage", count=1)
    outbox_jobs.send_topic("slack")
    outage = sandbox.fault("slack", "error", operation="conversations.list", status=503)

    make_due(db)
    outbox_jobs.send_topic("slack")
    assert only_message(db).in_doubt
    sandbox.switch_off(outage)
    make_due(db)
    outbox_jobs.send_topic("slack")

    assert len(sandbox.posts()) == 1
    assert history(db) == ["unknown", "unknown", "found"]


def test_a_slack_without_the_right_to_its_history_gets_the_post_again(db: Session, sandbox: Sandbox) -> None:
    """A doubled alert is better than a lost one."""
    publish(db, "slack")
    sandbox.fault("slack", "drop", operation="chat.postMessage", count=1)
    outbox_jobs.send_topic("slack")
    sandbox.fault("slack", "error", operation="conversations.list", code="missing_scope")

    make_due(db)
    outbox_jobs.send_topic("slack")

    assert [post["repeat"] for post in sandbox.posts()] == [1, 0]
    assert only_message(db).sent_at is not None


def test_a_mail_whose_answer_was_lost_is_repeated_under_the_same_id(db: Session, sandbox: Sandbox) -> None:
    publish(db, "mail")
    sandbox.fault("mail", "drop", operation="DATA", count=1)

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
    ("code", "phrase"),
    [
        ("channel_not_found", "チャンネルが見つかりません"),
        ("not_in_channel", "参加していません"),
        ("no_text", "（no_text）"),
    ],
)
def test_a_permanent_refusal_is_a_dead_letter_with_a_message(
    db: Session, sandbox: Sandbox, code: str, phrase: str
) -> None:
    publish(db, "slack")
    sandbox.fault("slack", "error", code=code, count=1)

    outbox_jobs.send_topic("slack")

    message = only_message(db)
    assert message.dead_at is not None
    assert phrase in str(message.last_error)
    assert TOKEN not in str(message.last_error)


def test_a_wrong_token_is_named(db: Session, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = settings().model_copy(update={"slack_base_url": sandbox.slack_url})
    monkeypatch.setattr(slack, "settings", lambda: changed)
    publish(db, "slack")

    outbox_jobs.send_topic("slack")

    assert "SLACK_BOT_TOKEN" in str(only_message(db).last_error)


def test_a_slack_that_is_away_was_not_reached(db: Session, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = settings().model_copy(update={"slack_base_url": "http://127.0.0.1:1/"})
    monkeypatch.setattr(slack, "settings", lambda: changed)
    publish(db, "slack")

    outbox_jobs.send_topic("slack")

    assert not only_message(db).in_doubt
    assert "Slack に接続できません" in str(only_message(db).last_error)


def test_an_expired_message_that_did_arrive_counts_as_sent(db: Session, sandbox: Sandbox) -> None:
    publish(db, "slack", expires_at=app_now(db) + timedelta(hours=1))
    sandbox.fault("slack", "drop", operation="chat.postMessage", count=1)
    outbox_jobs.send_topic("slack")
    db.execute(app_clock.update().values(shift=app_clock.c.shift + timedelta(hours=2)))
    make_due(db)

    outbox_jobs.send_topic("slack")

    assert only_message(db).sent_at is not None
    assert len(sandbox.posts()) == 1


def test_an_expired_message_that_did_not_arrive_is_not_sent_any_more(db: Session, sandbox: Sandbox) -> None:
    publish(db, "slack", expires_at=app_now(db) + timedelta(hours=1))
    sandbox.fault("slack", "error", operation="chat.postMessage", status=502, count=1)
    outbox_jobs.send_topic("slack")
    db.execute(app_clock.update().values(shift=app_clock.c.shift + timedelta(hours=2)))
    make_due(db)

    outbox_jobs.send_topic("slack")

    assert "有効期限" in str(only_message(db).last_error)
    assert sandbox.posts() == []


def test_a_slow_slack_does_not_hold_up_the_mail(committed: RestoredDatabase, sandbox: Sandbox) -> None:
    with committed.session() as db:
        publish(db, "slack")
        publish(db, "mail")
        slow = sandbox.fault("slack", "delay", operation="chat.postMessage", seconds=8)
        sender = threading.Thread(target=outbox_jobs.send_topic, args=("slack",))
        sender.start()

        outbox_jobs.send_topic("mail")

        assert len(sandbox.mails()) == 1
        assert sandbox.posts() == []
        sender.join(30)
        assert len(sandbox.posts()) == 1
        sandbox.switch_off(slow)


class SlowRecipients:
    """A mail server that takes time for each address."""

    def __init__(self) -> None:
        self.requests = 0

    async def handle_RCPT(self, _: object, __: object, envelope: Envelope, address: str, ___: list[str]) -> str:  # noqa: N802
        self.requests += 1
        await asyncio.sleep(0.2)
        envelope.rcpt_tos.append(address)
        return "250 OK"


def test_a_mail_to_many_ends_before_its_lease_does(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer comes in time, but all of them together do not."""
    handler = SlowRecipients()
    server = Controller(handler, hostname="127.0.0.1", port=free_port())
    server.start()
    monkeypatch.setattr(mail, "settings", lambda: settings().model_copy(update={"smtp_port": server.port}))
    monkeypatch.setattr(mail, "MOST_SECONDS", 1)
    message = publish(db, "mail")
    message.payload = message.payload | {"to": [f"{number}@techcore.example" for number in range(60)]}
    db.commit()
    try:
        outbox_jobs.send_topic("mail")
    finally:
        server.stop()

    assert 0 < handler.requests < 10
    assert (history(db), only_message(db).in_doubt) == (["unknown"], True)
    assert "1秒以内に終わりませんでした" in str(only_message(db).last_error)


class RefusingRecipients:
    """Refuses the address `gone` for good, and `full` as often as `times` says. `accepted`: the mails' recipients."""

    def __init__(self, times: int) -> None:
        self.times, self.accepted = times, list[list[str]]()

    async def handle_RCPT(self, _: object, __: object, envelope: Envelope, address: str, ___: object) -> str:  # noqa: N802
        if address.startswith("gone"):
            return "550 no such mailbox"
        if address.startswith("full") and self.times:
            self.times -= 1
            return "452 mailbox full"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: object, __: object, envelope: Envelope) -> str:  # noqa: N802
        self.accepted.append(list(envelope.rcpt_tos))
        return "250 OK"


def test_each_recipient_of_a_mail_gets_it_once_is_tried_again_or_is_a_dead_letter(
    db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = RefusingRecipients(times=2)
    server = Controller(handler, hostname="127.0.0.1", port=free_port())
    server.start()
    monkeypatch.setattr(mail, "settings", lambda: settings().model_copy(update={"smtp_port": server.port}))
    one, full, gone = (f"{name}@techcore.example" for name in ("one", "full", "gone"))
    publish(db, "mail", payload=MAIL | {"to": [one, full, gone]}).recipient = f"{one}、{full}、{gone}"
    db.commit()
    states = []
    try:
        for _ in range(3):
            make_due(db)
            outbox_jobs.send_topic("mail")
            db.expire_all()
            messages = db.scalars(select(OutboxMessage).order_by(OutboxMessage.id)).all()
            states.append({m.recipient: "sent" if m.sent_at else "dead" if m.dead_at else "open" for m in messages})
    finally:
        server.stop()

    assert states == [
        {one: "sent", full: "open", gone: "open"},
        {one: "sent", full: "open", gone: "dead"},
        {one: "sent", full: "sent", gone: "dead"},
    ]
    assert handler.accepted == [[one], [full]]
    assert [message.payload["to"] for message in messages] == [[one], [full], [gone]]
    assert "（550）" in str(messages[2].last_error)


def test_asking_and_sending_together_end_before_the_lease_does() -> None:
    # The look-up asks Slack for the channel, then for its history. A request that runs at the deadline may still take
    # its own timeout.
    lookup_seconds = MOST_SECONDS + 2 * slack.TIMEOUT_SECONDS

    assert timedelta(seconds=lookup_seconds + MOST_SECONDS) < queue.LEASE
