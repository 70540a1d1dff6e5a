"""Reservations brought to their final states by vendor events, for figures over them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.values.times import TOKYO
from service.reservations.flow import actions
from service.reservations.models import Reservation
from service.reservations.outgoing.models import Payment, Refund
from service.reservations.state_machine import events as e
from service.reservations.vendor_events.payments import handle_checkout_event, handle_refund_event
from tests.api.reservations import scene


def tokyo(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=TOKYO)  # type: ignore[misc, arg-type]


def requested(db: Session, at: datetime, **fields: Any) -> Reservation:
    scene.set_clock(db, at)
    return scene.create_reservation(db, **fields)


def awaiting_payment(db: Session, at: datetime, **fields: Any) -> Reservation:
    """The customer has the payment link, ten minutes from then on."""
    scene.set_clock(db, at)
    reservation = scene.held_by_shop(db, **fields)
    scene.open_checkout(db, reservation)
    actions.record_event(db, reservation.id, e.LinkSent(minutes=10), source="twilio")
    return reservation


def pay(db: Session, reservation: Reservation, at: datetime) -> Reservation:
    scene.set_clock(db, at)
    session = _session(db, reservation) | {"status": "complete", "payment_status": "paid"}
    handle_checkout_event(db, session | {"payment_intent": f"pi_{reservation.code}"})
    db.refresh(reservation)
    assert reservation.state == "confirmed"
    return reservation


def confirmed(db: Session, at: datetime, **fields: Any) -> Reservation:
    """Requested, linked and paid at once."""
    return pay(db, awaiting_payment(db, at, **fields), at)


def timed_out(db: Session, reservation: Reservation) -> Reservation:
    scene.pass_time(db, timedelta(minutes=10))
    handle_checkout_event(db, _session(db, reservation) | {"status": "expired", "payment_status": "unpaid"})
    db.refresh(reservation)
    assert reservation.state == "payment_timeout"
    return reservation


def cancelled(db: Session, reservation: Reservation, at: datetime) -> Refund:
    """Cancels a confirmed reservation. Returns its refund."""
    scene.set_clock(db, at)
    actions.record_event(db, reservation.id, e.CancelAsked(by="operator", special=True), source="operator")
    return db.scalars(select(Refund).where(Refund.reservation_id == reservation.id)).one()


def refund(db: Session, refund: Refund, at: datetime, status: str = "succeeded") -> None:
    """Stripe reports how the refund ended."""
    scene.set_clock(db, at)
    refund.refund_id = refund.refund_id or f"re_{refund.id}"
    db.flush()
    handle_refund_event(db, refund.refund_id, "", status, "")


def completed(db: Session, reservation: Reservation) -> Reservation:
    """Advances the clock past the reservation's time."""
    scene.set_clock(db, reservation.starts_at + timedelta(hours=3))
    while actions.advance_due(db, 10):
        pass
    db.refresh(reservation)
    assert reservation.state == "completed"
    return reservation


def _session(db: Session, reservation: Reservation) -> dict[str, Any]:
    payment = db.scalars(
        select(Payment).where(Payment.reservation_id == reservation.id).order_by(Payment.number.desc()).limit(1)
    ).one()
    return {"session_id": payment.session_id, "payment_intent": None, "amount_total": payment.amount}
