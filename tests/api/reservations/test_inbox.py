"""Webhooks are read one at a time: what is not known yet waits, what cannot be read does not hold up the others."""

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
from service.reservations.events import rules as e
from service.reservations.events.rules import State
from service.reservations.flow import actions as flow
from service.reservations.flow.models import Payment, Reservation, Webhook
from service.reservations.inbox import actions
from service.reservations.inbox.rules import (
    WebhookEvent,
    parse_bland_webhook,
    parse_stripe_webhook,
    parse_twilio_webhook,
)
from service.reservations.vendor_events import actions as news
from tests.api.reservations import scene
from tests.api.reservations.vendors import sms_fields, stripe_event


@pytest.fixture(autouse=True)
def shops(db: Session) -> None:
    scene.fill(db)


def keep(db: Session, told: WebhookEvent) -> Webhook:
    assert actions.store_webhook(db, told)
    return db.scalars(select(Webhook).where(Webhook.event_id == told.event_id)).one()


def stripe(kind: str = "checkout.session.completed", event_id: str = "evt_1", **about: Any) -> WebhookEvent:
    return parse_stripe_webhook(json.dumps(stripe_event(kind, event_id, **about)).encode())


def paid(session: str, event_id: str = "evt_1") -> WebhookEvent:
    about = {"status": "complete", "payment_status": "paid", "payment_intent": "pi_1", "amount_total": 5500}
    return stripe("checkout.session.completed", event_id, id=session, **about)


def read_all(db: Session) -> int:
    read = 0
    while actions.process_next_webhook(db):
        read += 1
        db.flush()
    return read


def wait(db: Session, span: timedelta) -> None:
    db.execute(update(Webhook).values(next_try_at=Webhook.next_try_at - span, received_at=Webhook.received_at - span))
    db.expire_all()


def waiting_for_payment(db: Session) -> tuple[Reservation, str]:
    reservation = scene.awaiting(db)
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
def test_what_nobody_knows_waits_for_an_hour_and_is_then_put_away(db: Session, name: str) -> None:
    webhook = keep(db, UNKNOWN[name])

    assert read_all(db) == 1
    assert (webhook.processed_at, webhook.tries) == (None, 1)
    assert webhook.next_try_at > real_now()
    assert read_all(db) == 0
    wait(db, timedelta(minutes=59))
    assert read_all(db) == 1
    assert webhook.processed_at is None
    wait(db, timedelta(minutes=10))
    assert read_all(db) == 1

    assert (webhook.outcome, webhook.reservation_id) == (actions.NO_OBJECT, None)
    assert webhook.processed_at is not None
    wait(db, timedelta(days=1))
    assert read_all(db) == 0


def test_what_was_not_known_yet_is_taken_once_it_is(db: Session) -> None:
    reservation, session = waiting_for_payment(db)
    db.execute(update(Payment).values(session_id=None))
    webhook = keep(db, paid(session))
    assert read_all(db) == 1
    assert webhook.processed_at is None

    db.execute(update(Payment).where(Payment.reservation_id == reservation.id).values(session_id=session))
    wait(db, timedelta(seconds=2))

    assert read_all(db) == 1
    assert scene.case(db, reservation).state is State.CONFIRMED
    assert (webhook.reservation_id, webhook.outcome) == (reservation.id, "支払われました。")


def test_one_that_cannot_be_read_does_not_hold_up_the_others_and_leaves_nothing_half_done(
    db: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, session = waiting_for_payment(db)
    sound, another = waiting_for_payment(db)
    first, second = keep(db, paid(session)), keep(db, paid(another, "evt_2"))
    happen = flow.record_event

    def fails_once_done(db: Session, reservation_id: int, event: e.Event, **more: Any) -> Any:
        done = happen(db, reservation_id, event, **more)
        if reservation_id == broken.id:
            raise RuntimeError("a fault")
        return done

    monkeypatch.setattr(news, "record_event", fails_once_done)
    assert read_all(db) == 2
    assert (first.processed_at, first.outcome, second.processed_at is not None) == (None, None, True)
    assert scene.case(db, broken).state is State.AWAITING_PAYMENT
    assert scene.case(db, sound).state is State.CONFIRMED
    monkeypatch.undo()
    wait(db, timedelta(minutes=1))
    assert read_all(db) == 1

    assert scene.case(db, broken).state is State.CONFIRMED


def test_kinds_that_say_nothing_to_us_are_put_away(db: Session) -> None:
    webhook = keep(db, stripe("payment_intent.succeeded", id="pi_1"))

    assert read_all(db) == 1
    assert webhook.processed_at is not None
    assert webhook.outcome == "この種類の連絡は使いません。"


@pytest.mark.parametrize("status", ["unpaid", "no_payment_required", ""])
def test_a_page_that_is_complete_and_not_paid_confirms_nothing(db: Session, status: str) -> None:
    reservation, session = waiting_for_payment(db)
    keep(db, stripe(id=session, status="complete", payment_status=status, payment_intent="pi_1"))

    assert read_all(db) == 1
    assert scene.case(db, reservation).state is State.AWAITING_PAYMENT
