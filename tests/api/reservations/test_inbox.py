"""Webhooks are processed one at a time: one of an unknown object waits, and one that fails does not block the
others."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.core.database.clock import real_now
from service.reservations.flow import actions as flow
from service.reservations.inbox import actions
from service.reservations.inbox.models import Webhook
from service.reservations.inbox.rules import (
    WebhookEvent,
    parse_bland_webhook,
    parse_stripe_webhook,
    parse_twilio_webhook,
)
from service.reservations.models import Reservation
from service.reservations.outgoing.models import Payment
from service.reservations.state_machine import events as e
from service.reservations.state_machine.states import State
from service.reservations.vendor_events import payments
from tests.api.reservations import scene
from tests.api.reservations.vendors import sms_fields, stripe_event


@pytest.fixture(autouse=True)
def shops(db: Session) -> None:
    scene.fill(db)


def store(db: Session, event: WebhookEvent) -> Webhook:
    assert actions.store_webhook(db, event)
    return db.scalars(select(Webhook).where(Webhook.event_id == event.event_id)).one()


def stripe(kind: str = "checkout.session.completed", event_id: str = "evt_1", **fields: Any) -> WebhookEvent:
    return parse_stripe_webhook(json.dumps(stripe_event(kind, event_id, **fields)).encode())


def paid(session: str, event_id: str = "evt_1") -> WebhookEvent:
    fields = {"status": "complete", "payment_status": "paid", "payment_intent": "pi_1", "amount_total": 5500}
    return stripe("checkout.session.completed", event_id, id=session, **fields)


def process_all(db: Session) -> int:
    processed = 0
    while actions.process_next_webhook(db):
        processed += 1
        db.flush()
    return processed


def wait(db: Session, span: timedelta) -> None:
    db.execute(update(Webhook).values(next_try_at=Webhook.next_try_at - span, received_at=Webhook.received_at - span))
    db.expire_all()


def waiting_for_payment(db: Session) -> tuple[Reservation, str]:
    reservation = scene.awaiting_payment(db)
    session = f"cs_{reservation.code}_1"
    db.execute(
        update(Payment).where(Payment.reservation_id == reservation.id).values(session_id=session, status="open")
    )
    return reservation, session


UNKNOWN = {
    "a page": paid("cs_nobodys"),
    "a refund": stripe("refund.updated", id="re_nobodys", status="succeeded"),
    "a dispute": stripe("charge.dispute.created", id="du_1", payment_intent="pi_nobodys"),
    "an sms": parse_twilio_webhook(urlencode(sms_fields()).encode(), str(uuid.UUID(int=7))),
    "an sms without our key": parse_twilio_webhook(urlencode(sms_fields()).encode(), ""),
    "an sms with a key that is none": parse_twilio_webhook(urlencode(sms_fields()).encode(), "x' OR 1=1"),
    "a call": parse_bland_webhook(json.dumps({"call_id": "c-1", "status": "completed", "completed": True}).encode()),
}


@pytest.mark.parametrize("name", list(UNKNOWN))
def test_a_webhook_of_an_unknown_object_is_retried_for_an_hour_and_then_closed(db: Session, name: str) -> None:
    webhook = store(db, UNKNOWN[name])

    assert process_all(db) == 1
    assert (webhook.processed_at, webhook.tries) == (None, 1)
    assert webhook.next_try_at > real_now()
    assert process_all(db) == 0
    wait(db, timedelta(minutes=59))
    assert process_all(db) == 1
    assert webhook.processed_at is None
    wait(db, timedelta(minutes=10))
    assert process_all(db) == 1

    assert (webhook.outcome, webhook.reservation_id) == (actions.NO_OBJECT, None)
    assert webhook.processed_at is not None
    wait(db, timedelta(days=1))
    assert process_all(db) == 0


def test_a_webhook_is_processed_as_soon_as_its_object_is_known(db: Session) -> None:
    reservation, session = waiting_for_payment(db)
    db.execute(update(Payment).values(session_id=None))
    webhook = store(db, paid(session))
    assert process_all(db) == 1
    assert webhook.processed_at is None

    db.execute(update(Payment).where(Payment.reservation_id == reservation.id).values(session_id=session))
    wait(db, timedelta(seconds=2))

    assert process_all(db) == 1
    assert scene.case(db, reservation).state is State.CONFIRMED
    assert (webhook.reservation_id, webhook.outcome) == (reservation.id, "支払われました。")


def test_a_failing_webhook_does_not_block_the_others_and_is_rolled_back(
    db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, session = waiting_for_payment(db)
    sound, other_session = waiting_for_payment(db)
    first, second = store(db, paid(session)), store(db, paid(other_session, "evt_2"))
    apply_event = flow.apply_event

    def apply_then_fail(db: Session, reservation: Reservation, event: e.Event, **kwargs: Any) -> Any:
        outcome = apply_event(db, reservation, event, **kwargs)
        if reservation.id == broken.id:
            raise RuntimeError("a fault")
        return outcome

    monkeypatch.setattr(payments, "apply_event", apply_then_fail)
    assert process_all(db) == 2
    assert (first.processed_at, first.outcome, second.processed_at is not None) == (None, None, True)
    assert scene.case(db, broken).state is State.AWAITING_PAYMENT
    assert scene.case(db, sound).state is State.CONFIRMED
    monkeypatch.undo()
    wait(db, timedelta(minutes=1))
    assert process_all(db) == 1

    assert scene.case(db, broken).state is State.CONFIRMED


def test_unused_kinds_are_closed(db: Session) -> None:
    webhook = store(db, stripe("payment_intent.succeeded", id="pi_1"))

    assert process_all(db) == 1
    assert webhook.processed_at is not None
    assert webhook.outcome == "この種類の連絡は使いません。"


@pytest.mark.parametrize("status", ["unpaid", "no_payment_required", ""])
def test_a_page_that_is_complete_and_not_paid_confirms_nothing(db: Session, status: str) -> None:
    reservation, session = waiting_for_payment(db)
    store(db, stripe(id=session, status="complete", payment_status=status, payment_intent="pi_1"))

    assert process_all(db) == 1
    assert scene.case(db, reservation).state is State.AWAITING_PAYMENT
