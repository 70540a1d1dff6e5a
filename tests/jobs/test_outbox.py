"""What leaves: claimed once, retried with a pause, given up in the end, fenced against slow senders."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import create_engine, select, update
from sqlalchemy.orm import Session

from jobs import outbox as outbox_jobs
from jobs.vendors import mail
from service.core import outbox
from service.core.clock import real_now
from service.core.outbox import OutboxMessage
from service.core.settings import settings
from stack.home import Home
from tests.conftest import committed_database
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

    assert outbox.claim(db) is not None
    assert outbox.claim(db) is None


def test_a_sender_that_lost_its_lease_cannot_settle_the_message(db: Session) -> None:
    outbox.publish(db, "mail", MAIL)
    db.commit()
    slow = outbox.claim(db)
    make_due(db)
    fast = outbox.claim(db)
    assert slow is not None
    assert fast is not None

    assert not outbox.failed(db, slow, "too slow", permanent=True)
    assert only_message(db).dead_at is None
    assert outbox.sent(db, fast)

    assert only_message(db).sent_at is not None


def test_a_message_that_breaks_its_vendor_does_not_hold_up_the_others(
    db: Session, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: outbox.Claimed) -> None:
        raise ValueError("no such thing")

    monkeypatch.setattr(outbox_jobs, "VENDORS", {"mail": mail.send, "broken": broken})
    outbox.publish(db, "broken", {})
    outbox.publish(db, "mail", MAIL)
    db.commit()

    outbox_jobs.send()

    assert len(mailbox.newest_first()) == 1
    db.expire_all()
    errors = {message.topic: message.last_error for message in db.scalars(select(OutboxMessage))}
    assert errors == {"broken": "送信処理で問題が起きました（ValueError）", "mail": None}


def test_a_message_whose_senders_keep_dying_becomes_a_dead_letter(db: Session) -> None:
    outbox.publish(db, "mail", MAIL)
    db.commit()
    for _ in range(len(outbox.BACK_OFF) + 1):
        assert outbox.claim(db) is not None
        make_due(db)

    assert outbox.claim(db) is None
    assert only_message(db).dead_at is not None


def test_two_senders_at_once_never_get_the_same_message(running_servers: Home) -> None:
    """On two connections: the first has claimed but not committed yet."""
    with committed_database(running_servers, "genba_outbox") as url:
        first, second = Session(create_engine(url)), Session(create_engine(url))
        outbox.publish(first, "mail", MAIL)
        outbox.publish(first, "mail", MAIL)
        first.commit()

        one, other = outbox.claim(first), outbox.claim(second)

        assert one is not None
        assert other is not None
        assert one.id != other.id
        for session in (first, second):
            session.rollback()
            session.get_bind().dispose()  # type: ignore[union-attr]
            session.close()
