"""An area gets the delivery result of its messages, in the transaction that stores it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from jobs import outbox as outbox_jobs
from jobs.vendors import NotSent, OutcomeUnknown, PermanentFailure, Sent, Unknown, Vendor, VendorFailure
from service.core.database.clock import app_clock, app_now, real_now
from service.core.outbox import messages, queue, records
from service.core.outbox.records import OutboxMessage, Settled
from tests.jobs.outbox_scene import history, make_due, only_message, publish
from tests.people import create_actor
from tests.sandbox.process import Sandbox

UseVendor = Callable[[Vendor], None]


@pytest.fixture
def use_vendor(monkeypatch: pytest.MonkeyPatch) -> UseVendor:
    """Registers a vendor for the topic mail."""
    return lambda vendor: monkeypatch.setattr(outbox_jobs, "REGISTRY", {"mail": vendor})


def failing(failure: VendorFailure, *, back_off: tuple[timedelta, ...] = ()) -> Vendor:
    def send(_: records.Claimed) -> Sent:
        raise failure

    return Vendor(send, lambda _: Unknown(), when_unknown="stop", back_off=back_off)


def test_an_area_gets_the_delivery_result_with_the_vendors_answer(
    db: Session, results: list[Settled], use_vendor: UseVendor
) -> None:
    use_vendor(
        Vendor(lambda _: Sent("cs_1", {"url": "https://pay.example/1"}), lambda _: Unknown(), when_unknown="send")
    )
    message = publish(db, "mail")

    outbox_jobs.send_topic("mail")

    [result] = results
    assert (result.outcome, result.external_id, result.answer) == ("sent", "cs_1", {"url": "https://pay.example/1"})
    assert (result.message.key, result.message.area, result.message.payload) == (
        message.key,
        "fleet",
        message.payload,
    )


def test_a_message_found_at_the_vendor_is_reported_as_sent(
    db: Session, results: list[Settled], use_vendor: UseVendor
) -> None:
    use_vendor(Vendor(lambda _: Sent("twice"), lambda _: Sent("cs_1", {"status": "open"}), when_unknown="stop"))
    publish(db, "mail")
    assert queue.claim(db, "mail") is not None  # its sender dies here
    make_due(db)

    outbox_jobs.send_topic("mail")

    assert [(result.outcome, result.external_id, result.answer) for result in results] == [
        ("sent", "cs_1", {"status": "open"})
    ]
    assert history(db) == ["lost", "found"]


def test_a_refusal_is_reported_with_the_vendors_own_code(
    db: Session, results: list[Settled], use_vendor: UseVendor
) -> None:
    use_vendor(failing(PermanentFailure("この番号には送れません", code="21211")))
    publish(db, "mail")

    outbox_jobs.send_topic("mail")

    [result] = results
    assert (result.outcome, result.code, result.error) == ("dead", "21211", "この番号には送れません")
    assert not result.in_doubt


def test_nothing_is_reported_before_the_last_try(db: Session, results: list[Settled], use_vendor: UseVendor) -> None:
    use_vendor(failing(OutcomeUnknown("応答がありません"), back_off=(timedelta(minutes=1),)))
    publish(db, "mail")

    outbox_jobs.send_topic("mail")
    assert results == []
    db.execute(update(OutboxMessage).values(in_doubt=False))
    make_due(db)
    outbox_jobs.send_topic("mail")

    assert [(result.outcome, result.in_doubt) for result in results] == [("dead", True)]
    assert only_message(db).dead_at is not None


def test_an_expired_message_is_reported(db: Session, results: list[Settled], sandbox: Sandbox) -> None:
    publish(db, "mail", expires_at=app_now(db) + timedelta(hours=1))
    db.execute(update(app_clock).values(shift=app_clock.c.shift + timedelta(hours=2)))
    db.commit()

    outbox_jobs.send_topic("mail")

    assert sandbox.mails() == []
    assert [(result.outcome, result.message.expired, result.in_doubt) for result in results] == [("dead", True, False)]
    assert "有効期限" in str(results[0].error)


def test_a_message_whose_senders_keep_dying_is_reported_in_doubt(
    db: Session, results: list[Settled], use_vendor: UseVendor
) -> None:
    use_vendor(failing(VendorFailure("応答がありません"), back_off=(timedelta(minutes=1),)))
    publish(db, "mail", tries=1)
    assert queue.claim(db, "mail") is not None
    make_due(db)

    outbox_jobs.send_topic("mail")

    assert [(result.outcome, result.in_doubt) for result in results] == [("dead", True)]
    assert history(db) == ["lost"]


def test_a_sender_that_lost_its_lease_reports_nothing(db: Session, results: list[Settled]) -> None:
    publish(db, "mail")
    slow = queue.claim(db, "mail")
    make_due(db)
    fast = queue.claim(db, "mail")
    assert slow is not None
    assert fast is not None

    reactions = {"fleet": lambda _, result: results.append(result)}
    queue.mark_failed(db, slow, "too slow", permanent=True, reactions=reactions)
    queue.mark_sent(db, slow, reactions=reactions)
    assert results == []
    queue.mark_sent(db, fast, reactions=reactions)

    assert len(results) == 1


def test_an_area_without_a_reaction_gets_no_report(db: Session, results: list[Settled], sandbox: Sandbox) -> None:
    publish(db, "mail", area="loaners")

    outbox_jobs.send_topic("mail")

    assert only_message(db).sent_at is not None
    assert results == []


def test_a_failing_reaction_rolls_back_the_result_and_the_vendor_is_asked_again(
    db: Session, monkeypatch: pytest.MonkeyPatch, use_vendor: UseVendor
) -> None:
    sent: list[int] = []
    external_ids: list[str | None] = []

    def send(message: records.Claimed) -> Sent:
        sent.append(message.id)
        return Sent(f"m-{message.id}")

    def react(_: Session, result: Settled) -> None:
        external_ids.append(result.external_id)
        if len(external_ids) == 1:
            raise RuntimeError("the area cannot take it")

    use_vendor(Vendor(send, lambda message: Sent(f"m-{message.id}"), when_unknown="stop"))
    monkeypatch.setattr(outbox_jobs, "REACTIONS", {"fleet": react})
    first, second = publish(db, "mail").id, publish(db, "mail").id

    outbox_jobs.send_topic("mail")

    assert external_ids == [f"m-{first}", f"m-{second}"]
    assert history(db) == [None, "sent"]
    make_due(db)  # as after the lease
    outbox_jobs.send_topic("mail")
    assert external_ids == [f"m-{first}", f"m-{second}", f"m-{first}"]
    assert sent == [first, second]
    assert history(db) == ["lost", "found", "sent"]


def test_a_failing_reaction_to_a_dead_letter_does_not_block_the_next_messages(
    db: Session, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    def react(db: Session, result: Settled) -> None:
        if result.outcome == "dead":
            db.execute(update(OutboxMessage).values(title="written by the reaction"))
            raise RuntimeError("the area cannot take it")

    monkeypatch.setattr(outbox_jobs, "REACTIONS", {"fleet": react})
    expired = publish(db, "mail", expires_at=app_now(db) + timedelta(hours=1))
    db.execute(update(app_clock).values(shift=app_clock.c.shift + timedelta(hours=2)))
    next_message = publish(db, "mail")

    outbox_jobs.send_topic("mail")

    db.expire_all()
    assert next_message.sent_at is not None
    assert (expired.dead_at, expired.title) == (None, "件名")
    assert expired.next_attempt_at > real_now() + timedelta(minutes=1)
    monkeypatch.setattr(outbox_jobs, "REACTIONS", {})
    make_due(db)
    outbox_jobs.send_topic("mail")
    db.expire_all()
    assert expired.dead_at is not None


def test_a_discarded_dead_letter_is_reported_once_more(
    db: Session, results: list[Settled], use_vendor: UseVendor
) -> None:
    use_vendor(failing(PermanentFailure("この番号には送れません")))
    publish(db, "mail")
    outbox_jobs.send_topic("mail")
    given_up = only_message(db).dead_at

    messages.discard(db, create_actor(db, "alice", fleet="admin"), only_message(db).id, "電話で伝えました")
    db.commit()
    for _ in range(2):
        outbox_jobs.send_topic("mail")

    assert [result.outcome for result in results] == ["dead", "discarded"]
    message = only_message(db)
    assert (message.dead_at, message.discard_reason) == (given_up, "電話で伝えました")
    assert history(db) == ["refused"]


def test_a_resent_dead_letter_is_reported_when_it_is_sent(
    db: Session, results: list[Settled], use_vendor: UseVendor
) -> None:
    use_vendor(failing(PermanentFailure("この番号には送れません")))
    publish(db, "mail")
    outbox_jobs.send_topic("mail")
    use_vendor(Vendor(lambda _: Sent("m-1"), lambda _: NotSent(), when_unknown="send"))

    messages.resend(db, create_actor(db, "alice", fleet="admin"), only_message(db).id)
    db.commit()
    assert len(results) == 1
    outbox_jobs.send_topic("mail")

    assert [(result.outcome, result.external_id) for result in results] == [("dead", None), ("sent", "m-1")]
