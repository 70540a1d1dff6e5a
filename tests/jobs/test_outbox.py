"""The outbox: each message is claimed once, retried with pauses, given up in the end, and fenced against slow
senders."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
import redis
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from jobs import outbox as outbox_jobs
from jobs.vendors import Sent, Unknown, Vendor, VendorFailure, mail
from service.core.database.clock import app_clock, app_now, real_now
from service.core.outbox import queue, records
from service.core.outbox.records import OutboxMessage
from service.core.settings import settings
from tests.jobs.outbox_scene import MAIL, history, make_due, only_message, publish
from tests.restored import RestoredDatabase
from tests.sandbox.process import Sandbox


def test_a_mail_reaches_the_server_once_with_the_outbox_key_as_its_id(db: Session, sandbox: Sandbox) -> None:
    publish(db, "mail")

    outbox_jobs.send_topic("mail")
    outbox_jobs.send_topic("mail")

    [received] = sandbox.mails()
    message = only_message(db)
    assert received["message_id"] == f"<{message.key}@techcore.example>" == message.external_id
    assert (received["subject"], received["body"]) == ("件名", "本文です。\n")
    assert message.sent_at is not None
    assert history(db) == ["sent"]


def test_an_unreachable_server_means_another_try_after_a_pause(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "settings", lambda: settings().model_copy(update={"smtp_port": 1}))
    publish(db, "mail")

    outbox_jobs.send_topic("mail")

    message = only_message(db)
    assert (message.sent_at, message.dead_at, message.attempts, message.in_doubt) == (None, None, 1, False)
    assert message.next_attempt_at > real_now() + timedelta(seconds=2)
    assert "メールサーバーに送信できません" in str(message.last_error)
    assert history(db) == ["failed"]


def test_a_message_without_a_vendor_is_a_dead_letter_at_once(db: Session) -> None:
    publish(db, "pigeon")

    outbox_jobs.send_topic("pigeon")

    assert only_message(db).dead_at is not None
    assert history(db) == ["refused"]


def test_after_the_last_try_a_message_is_a_dead_letter(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "settings", lambda: settings().model_copy(update={"smtp_port": 1}))
    publish(db, "mail")

    for _ in range(len(queue.BACK_OFF) + 1):
        assert only_message(db).dead_at is None
        make_due(db)
        outbox_jobs.send_topic("mail")

    assert only_message(db).dead_at is not None


def test_a_vendor_with_pauses_of_its_own_is_tried_after_those(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: records.Claimed) -> Sent:
        raise VendorFailure("応答がありません")

    pauses = [timedelta(minutes=minutes) for minutes in (1, 5)]
    vendor = Vendor(fail, lambda _: Unknown(), when_unknown="send", back_off=pauses)
    monkeypatch.setattr(outbox_jobs, "REGISTRY", {"mail": vendor})
    publish(db, "mail")

    for pause in pauses:
        outbox_jobs.send_topic("mail")
        wait = only_message(db).next_attempt_at - real_now()
        assert pause - timedelta(seconds=10) < wait <= pause
        make_due(db)
    outbox_jobs.send_topic("mail")

    assert only_message(db).dead_at is not None
    assert history(db) == ["failed"] * 3


def test_a_delayed_message_waits_by_the_products_clock(db: Session, sandbox: Sandbox) -> None:
    db.execute(update(app_clock).values(shift=timedelta(days=30)))
    not_before = app_now(db) + timedelta(minutes=10)
    queue.publish(db, "mail", MAIL, area="fleet", recipient="a@example.com", title="件名", not_before=not_before)
    db.commit()

    outbox_jobs.send_topic("mail")

    assert sandbox.mails() == []
    wait = only_message(db).next_attempt_at - real_now()
    assert timedelta(minutes=9) < wait <= timedelta(minutes=10)
    make_due(db)
    outbox_jobs.send_topic("mail")
    assert len(sandbox.mails()) == 1


def test_tries_used_up_by_an_earlier_message_count(db: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "settings", lambda: settings().model_copy(update={"smtp_port": 1}))
    used_tries = len(queue.BACK_OFF)
    queue.publish(db, "mail", MAIL, area="fleet", recipient="a@example.com", title="件名", tries=used_tries)
    db.commit()

    outbox_jobs.send_topic("mail")

    assert only_message(db).dead_at is not None
    assert history(db) == ["failed"]


def test_a_claimed_message_is_not_claimed_again_while_its_lease_holds(db: Session) -> None:
    publish(db, "mail")

    assert queue.claim(db, "mail") is not None
    assert queue.claim(db, "mail") is None


def test_a_sender_that_lost_its_lease_cannot_settle_the_message(db: Session) -> None:
    publish(db, "mail")
    slow = queue.claim(db, "mail")
    make_due(db)
    fast = queue.claim(db, "mail")
    assert slow is not None
    assert fast is not None

    assert not queue.mark_failed(db, slow, "too slow", permanent=True)
    assert not queue.mark_rate_limited(db, slow, "too slow", timedelta(hours=1))
    assert only_message(db).dead_at is None
    assert queue.mark_sent(db, fast)

    assert only_message(db).sent_at is not None
    assert history(db) == ["lost", "sent"]


def test_a_message_that_breaks_its_vendor_is_tried_again_and_the_next_one_goes_out(
    db: Session, sandbox: Sandbox
) -> None:
    broken, valid = publish(db, "mail"), publish(db, "mail")
    db.execute(update(OutboxMessage).where(OutboxMessage.id == broken.id).values(payload={}))
    db.commit()

    outbox_jobs.send_topic("mail")

    assert len(sandbox.mails()) == 1
    db.expire_all()
    errors = {message.id: message.last_error for message in db.scalars(select(OutboxMessage))}
    assert errors == {broken.id: "送信処理で問題が起きました（KeyError）", valid.id: None}


def test_a_message_whose_senders_keep_dying_becomes_a_dead_letter(db: Session) -> None:
    publish(db, "mail")
    for _ in range(len(queue.BACK_OFF) + 1):
        assert queue.claim(db, "mail") is not None
        make_due(db)

    assert queue.claim(db, "mail") is None
    message = only_message(db)
    assert message.dead_at is not None
    assert message.in_doubt


def test_an_expired_message_is_not_sent(db: Session, sandbox: Sandbox) -> None:
    publish(db, "mail", expires_at=app_now(db) + timedelta(hours=24))
    db.execute(update(app_clock).values(shift=app_clock.c.shift + timedelta(hours=25)))
    db.commit()

    outbox_jobs.send_topic("mail")

    message = only_message(db)
    assert sandbox.mails() == []
    assert message.dead_at is not None
    assert "有効期限" in str(message.last_error)
    assert history(db) == []


def test_an_operator_decides_when_a_harmful_message_may_have_arrived(
    db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like a phone call, which does harm when it is placed twice."""
    calls: list[int] = []

    def call(message: records.Claimed) -> Sent:
        calls.append(message.attempt)
        return Sent("call-1")

    voice = Vendor(call, lambda _: Unknown(), when_unknown="stop")
    monkeypatch.setattr(outbox_jobs, "REGISTRY", {"voice": voice})
    message = publish(db, "voice")
    assert queue.claim(db, "voice") is not None  # its sender dies here
    make_due(db)

    outbox_jobs.send_topic("voice")
    assert calls == []
    assert only_message(db).dead_at is not None
    assert "相手先に確認してから" in str(only_message(db).last_error)

    db.execute(update(OutboxMessage).values(dead_at=None, tries=0, insisted=True))
    make_due(db)
    outbox_jobs.send_topic("voice")
    assert calls == [3]
    assert only_message(db).external_id == "call-1"
    assert message.key == only_message(db).key


def test_a_tick_wakes_a_sender_for_each_topic_that_has_something_due(db: Session) -> None:
    publish(db, "mail")
    publish(db, "slack")
    publish(db, "mail")
    # This worker is sending already; another one may be idle.
    with outbox_jobs._sending["mail"]:
        assert queued_tasks(outbox_jobs.send) == [
            ("outbox.send_topic", "('mail',)"),
            ("outbox.send_topic", "('slack',)"),
        ]


def test_a_sender_that_stops_with_messages_left_queues_the_next_one(
    db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(db, "mail")
    monkeypatch.setattr(outbox_jobs, "TICK_SECONDS", 0)

    assert queued_tasks(lambda: outbox_jobs.send_topic("mail")) == [("outbox.send_topic", "('mail',)")]


def queued_tasks(work: Callable[[], None]) -> list[tuple[str, str]]:
    """The tasks that `work` puts on the queue, with their arguments."""
    with redis.Redis.from_url(settings().redis_url.get_secret_value()) as valkey:
        valkey.delete("ticks")
        work()
        headers = [json.loads(task)["headers"] for task in valkey.lrange("ticks", 0, -1)]
        valkey.delete("ticks")
    return sorted((task["task"], task["argsrepr"]) for task in headers)


def test_two_senders_at_once_never_get_the_same_message(committed: RestoredDatabase) -> None:
    """On two connections: the first has claimed but not committed yet."""
    with committed.session() as first, committed.session() as second:
        publish(first, "mail")
        publish(first, "mail")

        first_message, second_message = queue.claim(first, "mail"), queue.claim(second, "mail")

        assert first_message is not None
        assert second_message is not None
        assert first_message.id != second_message.id
