"""Creates services, shops and reservations through the product's own actions."""

from __future__ import annotations

import itertools
import re
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from service.core.database.clock import app_now
from service.core.values.times import DAY, TOKYO
from service.demo import reservations as demo
from service.reservations.flow import actions, queries
from service.reservations.models import Assistant, Reservation, Shop, TimelineEvent
from service.reservations.outgoing.models import Message, Payment, PhoneCall
from service.reservations.state_machine import events as e
from service.reservations.state_machine.case import Case
from service.reservations.state_machine.states import Answer, State

_requests = itertools.count(1)


def fill(db: Session) -> None:
    """The demo's services and shops, on a Wednesday at ten in Tokyo, when all of them answer the telephone."""
    if db.scalar(select(func.count()).select_from(Shop)) == 0:
        demo.masters(db)
    set_clock(db, datetime(2031, 1, 8, 10, 0, tzinfo=TOKYO))


def set_clock(db: Session, at: datetime) -> None:
    """Sets the product's clock."""
    db.execute(text("UPDATE app_clock SET shift = shift + (:moment - app_now())"), {"moment": at})


def assistant(db: Session, name: str = "Claude") -> Assistant:
    created = Assistant(name=name, token_hash=f"token of {name} {next(_requests)}".encode())
    db.add(created)
    db.flush()
    return created


def create_reservation(db: Session, **fields: Any) -> Reservation:
    """Requests a bouquet in a week, at two in the afternoon."""
    if "assistant_id" not in fields and "by" not in fields:
        fields["assistant_id"] = assistant(db).id
    in_a_week = (app_now(db).astimezone(TOKYO) + 7 * DAY).replace(hour=14, minute=0, second=0, microsecond=0)
    defaults: dict[str, Any] = {
        "client_request_id": f"request-{next(_requests)}",
        "service_code": "bouquet",
        "plan_code": "m",
        "starts_at": in_a_week,
        "customer_name": "青木 花子",
        "phone": f"090-1000-{next(_requests):04}",
    }
    return actions.create(db, **(defaults | fields))


def case(db: Session, reservation: Reservation) -> Case:
    db.expire(reservation)
    return queries.case_of(reservation)


def pass_time(db: Session, span: timedelta = timedelta(0)) -> None:
    """Advances the clock, and every reservation that is then due."""
    set_clock(db, app_now(db) + span)
    while actions.advance_due(db, 10):
        pass


def active_call(db: Session, reservation: Reservation) -> PhoneCall:
    """The call in progress."""
    return db.scalars(select(PhoneCall).where(PhoneCall.reservation_id == reservation.id, PhoneCall.is_active)).one()


def record_shop_answer(db: Session, reservation: Reservation, answer: Answer) -> PhoneCall:
    """Ends the call in progress with the shop's answer."""
    phone_call = active_call(db, reservation)
    ended = e.CallEnded(number=phone_call.number, shop=phone_call.shop_id, answer=answer)
    actions.record_event(db, reservation.id, ended, source="bland")
    return phone_call


def held_by_shop(db: Session, **fields: Any) -> Reservation:
    """A shop holds it, and its checkout page is ready."""
    reservation = create_reservation(db, **fields)
    pass_time(db)
    record_shop_answer(db, reservation, Answer.OK)
    number = case(db, reservation).checkouts
    ready = e.CheckoutReady(number=number, session=f"cs_{reservation.code}_{number}")
    actions.record_event(db, reservation.id, ready, source="stripe")
    return reservation


def awaiting_payment(db: Session, **fields: Any) -> Reservation:
    reservation = held_by_shop(db, **fields)
    actions.record_event(db, reservation.id, e.LinkSent(minutes=10), source="twilio")
    return reservation


def pay(db: Session, reservation: Reservation, intent: str = "") -> None:
    current = case(db, reservation)
    paid = e.Paid(session=current.session or "", intent=intent or f"pi_{reservation.code}", amount=current.price)
    actions.record_event(db, reservation.id, paid, source="stripe")


def confirmed(db: Session, **fields: Any) -> Reservation:
    reservation = awaiting_payment(db, **fields)
    pay(db, reservation)
    assert case(db, reservation).state is State.CONFIRMED
    return reservation


def timeline(db: Session, reservation: Reservation) -> list[TimelineEvent]:
    return list(
        db.scalars(
            select(TimelineEvent).where(TimelineEvent.reservation_id == reservation.id).order_by(TimelineEvent.number)
        )
    )


def contradicting_event(db: Session, reservation: Reservation) -> TimelineEvent:
    """An event whose stored state differs from what the state machine decides: a reminder that ended the
    reservation."""
    event = e.ReminderDue()
    return TimelineEvent(
        reservation_id=reservation.id,
        number=queries.next_number(db, reservation.id),
        at=app_now(db),
        event=event.model_dump(mode="json"),
        kind=event.kind,
        state_before=reservation.state,
        state="completed",
        effects=[],
        source="system",
    )


def shop(db: Session, code: str) -> Shop:
    return db.scalars(select(Shop).where(Shop.code == code)).one()


def link(db: Session, reservation: Reservation, purpose: str) -> str:
    """The path of the public page whose link was sent to the customer last."""
    bodies = db.scalars(
        select(Message.body)
        .where(Message.reservation_id == reservation.id, Message.channel == "sms")
        .order_by(Message.id.desc())
    )
    matches = (re.search(rf"/{purpose}/[A-Za-z0-9_-]+", body) for body in bodies)
    return next(match[0] for match in matches if match)


def open_checkout(db: Session, reservation: Reservation, url: str = "https://stripe.example/c/pay") -> None:
    """Opens the page of the newest checkout at Stripe."""
    number = case(db, reservation).checkouts
    payment = db.scalars(
        select(Payment).where(Payment.reservation_id == reservation.id, Payment.number == number)
    ).one()
    payment.session_id, payment.url, payment.status = f"cs_{reservation.code}_{number}", url, "open"
    db.flush()
