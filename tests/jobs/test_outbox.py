"""What leaves: claimed once, retried with a pause, given up in the end, fenced against slow senders."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs import outbox as outbox_jobs
from jobs.vendors import mail
from service.core import outbox
from service.core.clock import real_now
from service.core.outbox import OutboxMessage
from service.core.settings import settings
from tests.processes import free_port
from tests.sandbox.mailbox import Mailbox, listen

MAIL = {"to": ["support@techcore.example"], "subject": "件名", "body": "本文です。\n"}


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    """A real SMTP listener, and settings that point at it."""
    box, port, loop = Mailbox(), free_port(), asyncio.new_event_loop()
    server = loop.run_until_complete(listen(box, "127.0.0.1", port))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    monkeypatch.setattr(mail, "settings", lambda: settings().model_copy(update={"smtp_port": port}))
    yield box
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


def only_message(db: Session) -> OutboxMessage:
    db.expire_all()
    return db.scalars(select(OutboxMessage)).one()


def make_due(db: Session) -> None:
    db.execute(update(OutboxMessage).values(next_attempt_at=real_now() - timedelta(seconds=1)))


def test_a_mail_reaches_the_server_once_with_the_outbox_key_as_its_id(db: Session, mailbox: Mailbox) -> None:
    outbox.publish(db, "mail", MAIL)
    db.commit()

    outbox_jobs.send()
    outbox_jobs.send()

    [received] = mailbox.newest_first()
    message = only_message(db)
    assert received["message_id"] == f"<{message.key}@techcore.example>"
    assert (received["subject"], received["body"]) == ("件名", "本文です。\n")
    assert message.sent_at is not None


def test_an_unreachable_server_means_another_try_after_a_pause(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "settings", lambda: settings().model_copy(update={"smtp_port": 1}))
    outbox.publish(db, "mail", MAIL)
    db.commit()

    outbox_jobs.send()

    message = only_message(db)
    assert (message.sent_at, message.dead_at, message.attempts) == (None, None, 1)
    assert message.next_attempt_at > real_now() + timedelta(seconds=2)
    assert "メールサーバーに送信できません" in str(message.last_error)


def test_a_message_nobody_can_send_is_a_dead_letter_at_once(db: Session) -> None:
    outbox.publish(db, "pigeon", {})
    db.commit()

    outbox_jobs.send()

    assert only_message(db).dead_at is not None


def test_after_the_last_try_a_message_is_a_dead_letter(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "settings", lambda: settings().model_copy(update={"smtp_port": 1}))
    outbox.publish(db, "mail", MAIL)
    db.commit()

    for _ in range(len(outbox.BACK_OFF) + 1):
        assert only_message(db).dead_at is None
        make_due(db)
        outbox_jobs.send()

    assert only_message(db).dead_at is not None


def test_a_claimed_message_is_not_claimed_again_while_its_lease_holds(db: Session) -> None:
    outbox.publish(db, "mail", MAIL)
    db.commit()

    assert len(outbox.claim(db)) == 1
    assert outbox.claim(db) == []


def test_a_sender_that_lost_its_lease_cannot_settle_the_message(db: Session) -> None:
    outbox.publish(db, "mail", MAIL)
    db.commit()
    [slow] = outbox.claim(db)
    make_due(db)
    [fast] = outbox.claim(db)

    outbox.failed(db, slow, "too slow", permanent=True)
    assert only_message(db).dead_at is None
    outbox.sent(db, fast)

    assert only_message(db).sent_at is not None
