"""An area hears what became of its messages, in the transaction that settles them."""

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
from tests.people import actor
from tests.sandbox.process import Sandbox

Use = Callable[[Vendor], None]


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """A vendor of the test's own behind the topic mail."""
    return lambda vendor: monkeypatch.setattr(outbox_jobs, "REGISTRY", {"mail": vendor})


def failing(failure: VendorFailure, *, back_off: tuple[timedelta, ...] = ()) -> Vendor:
    def send(_: records.Claimed) -> Sent:
        raise failure

    return Vendor(send, lambda _: Unknown(), when_unknown="stop", back_off=back_off)


def test_an_area_hears_that_its_message_was_sent_with_the_vendors_answer(
    db: Session, heard: list[Settled], use: Use
) -> None:
    use(Vendor(lambda _: Sent("cs_1", {"url": "https://pay.example/1"}), lambda _: Unknown(), when_unknown="send"))
    message = publish(db, "mail")

    outbox_jobs.send_topic("mail")

    [settled] = heard
    assert (settled.outcome, settled.external_id, settled.answer) == ("sent", "cs_1", {"url": "https://pay.example/1"})
    assert (settled.message.key, settled.message.area, settled.message.payload) == (
        message.key,
        "fleet",
        message.payload,
    )


def test_what_is_found_at_the_vendor_is_told_as_sent(db: Session, heard: list[Settled], use: Use) -> None:
    use(Vendor(lambda _: Sent("twice"), lambda _: Sent("cs_1", {"status": "open"}), when_unknown="stop"))
    publish(db, "mail")
    assert queue.claim(db, "mail") is not None  # its sender dies here
    make_due(db)

    outbox_jobs.send_topic("mail")

    assert [(one.outcome, one.external_id, one.answer) for one in heard] == [("sent", "cs_1", {"status": "open"})]
    assert history(db) == ["lost", "found"]


def test_a_refusal_is_told_with_the_vendors_own_code(db: Session, heard: list[Settled], use: Use) -> None:
    use(failing(PermanentFailure("この番号には送れません", code="21211")))
    publish(db, "mail")

    outbox_jobs.send_topic("mail")

    [settled] = heard
    assert (settled.outcome, settled.code, settled.error) == ("dead", "21211", "この番号には送れません")
    assert not settled.in_doubt


def test_nothing_is_told_before_the_last_try(db: Session, heard: list[Settled], use: Use) -> None:
    use(failing(OutcomeUnknown("応答がありません"), back_off=(timedelta(minutes=1),)))
    publish(db, "mail")

    outbox_jobs.send_topic("mail")
    assert heard == []
    db.execute(update(OutboxMessage).values(in_doubt=False))
    make_due(db)
    outbox_jobs.send_topic("mail")

    assert [(one.outcome, one.in_doubt) for one in heard] == [("dead", True)]
    assert only_message(db).dead_at is not None


def test_a_message_past_its_date_is_told(db: Session, heard: list[Settled], sandbox: Sandbox) -> None:
    publish(db, "mail", expires_at=app_now(db) + timedelta(hours=1))
    db.execute(update(app_clock).values(shift=app_clock.c.shift + timedelta(hours=2)))
    db.commit()

    outbox_jobs.send_topic("mail")

    assert sandbox.mails() == []
    assert [(one.outcome, one.message.expired, one.in_doubt) for one in heard] == [("dead", True, False)]
    assert "有効期限" in str(heard[0].error)


def test_a_message_whose_senders_keep_dying_is_told_in_doubt(db: Session, heard: list[Settled], use: Use) -> None:
    use(failing(VendorFailure("応答がありません"), back_off=(timedelta(minutes=1),)))
    publish(db, "mail", tries=1)
    assert queue.claim(db, "mail") is not None
    make_due(db)

    outbox_jobs.send_topic("mail")

    assert [(one.outcome, one.in_doubt) for one in heard] == [("dead", True)]
    assert history(db) == ["lost"]


def test_a_sender_that_lost_its_lease_tells_nothing(db: Session, heard: list[Settled]) -> None:
    publish(db, "mail")
    slow = queue.claim(db, "mail")
    make_due(db)
    fast = queue.claim(db, "mail")
    assert slow is not None
    assert fast is not None

    reactions = {"fleet": lambda _, settled: heard.append(settled)}
    queue.mark_failed(db, slow, "too slow", permanent=True, reactions=reactions)
    queue.mark_sent(db, slow, reactions=reactions)
    assert heard == []
    queue.mark_sent(db, fast, reactions=reactions)

    assert len(heard) == 1


def test_an_area_without_a_reaction_is_told_nothing(db: Session, heard: list[Settled], sandbox: Sandbox) -> None:
    publish(db, "mail", area="loaners")

    outbox_jobs.send_topic("mail")

    assert only_message(db).sent_at is not None
    assert heard == []


def test_a_reaction_that_fails_takes_the_settling_back_and_the_vendor_is_asked_again(
    db: Session, monkeypatch: pytest.MonkeyPatch, use: Use
) -> None:
    sent: list[int] = []
    told: list[str | None] = []

    def send(message: records.Claimed) -> Sent:
        sent.append(message.id)
        return Sent(f"m-{message.id}")

    def react(_: Session, settled: Settled) -> None:
        told.append(settled.external_id)
        if len(told) == 1:
            raise RuntimeError("the area cannot take it")

    use(Vendor(send, lambda message: Sent(f"m-{message.id}"), when_unknown="stop"))
    monkeypatch.setattr(outbox_jobs, "REACTIONS", {"fleet": react})
    first, second = publish(db, "mail").id, publish(db, "mail").id

    outbox_jobs.send_topic("mail")

    assert told == [f"m-{first}", f"m-{second}"]
    assert history(db) == [None, "sent"]
    make_due(db)  # as after the lease
    outbox_jobs.send_topic("mail")
    assert told == [f"m-{first}", f"m-{second}", f"m-{first}"]
    assert sent == [first, second]
    assert history(db) == ["lost", "found", "sent"]


def test_a_reaction_that_fails_about_a_dead_letter_does_not_hold_up_the_messages_behind_it(
    db: Session, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    def react(db: Session, settled: Settled) -> None:
        if settled.outcome == "dead":
            db.execute(update(OutboxMessage).values(title="written by the reaction"))
            raise RuntimeError("the area cannot take it")

    monkeypatch.setattr(outbox_jobs, "REACTIONS", {"fleet": react})
    late = publish(db, "mail", expires_at=app_now(db) + timedelta(hours=1))
    db.execute(update(app_clock).values(shift=app_clock.c.shift + timedelta(hours=2)))
    behind = publish(db, "mail")

    outbox_jobs.send_topic("mail")

    db.expire_all()
    assert behind.sent_at is not None
    assert (late.dead_at, late.title) == (None, "件名")
    assert late.next_attempt_at > real_now() + timedelta(minutes=1)
    monkeypatch.setattr(outbox_jobs, "REACTIONS", {})
    make_due(db)
    outbox_jobs.send_topic("mail")
    db.expire_all()
    assert late.dead_at is not None


def test_a_dead_letter_that_a_person_puts_aside_is_told_once_more(db: Session, heard: list[Settled], use: Use) -> None:
    use(failing(PermanentFailure("この番号には送れません")))
    publish(db, "mail")
    outbox_jobs.send_topic("mail")
    given_up = only_message(db).dead_at

    messages.discard(db, actor(db, "alice", fleet="admin"), only_message(db).id, "電話で伝えました")
    db.commit()
    for _ in range(2):
        outbox_jobs.send_topic("mail")

    assert [one.outcome for one in heard] == ["dead", "discarded"]
    message = only_message(db)
    assert (message.dead_at, message.discard_reason) == (given_up, "電話で伝えました")
    assert history(db) == ["refused"]


def test_a_dead_letter_that_a_person_sends_again_is_told_when_it_is_settled(
    db: Session, heard: list[Settled], use: Use
) -> None:
    use(failing(PermanentFailure("この番号には送れません")))
    publish(db, "mail")
    outbox_jobs.send_topic("mail")
    use(Vendor(lambda _: Sent("m-1"), lambda _: NotSent(), when_unknown="send"))

    messages.resend(db, actor(db, "alice", fleet="admin"), only_message(db).id)
    db.commit()
    assert len(heard) == 1
    outbox_jobs.send_topic("mail")

    assert [(one.outcome, one.external_id) for one in heard] == [("dead", None), ("sent", "m-1")]
