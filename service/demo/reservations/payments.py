"""The payments of the demo's reservations that may still be paid or given back, as the demo's Stripe remembers them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.pages import shell
from service.demo.reservations.environment import pay_token
from service.demo.reservations.simulation import SESSION
from service.reservations.models import Plan, Reservation, Service
from service.reservations.outgoing.actions import CHECKOUT_LIFETIME_SECONDS
from service.reservations.outgoing.models import Payment
from service.reservations.state_machine.states import FINAL_STATES


def open_payments(db: Session) -> list[dict[str, Any]]:
    """Of what is not over; moments in seconds since 1970."""
    statement = (
        select(Payment, Reservation.code, Service.name, Plan.name)
        .join(Reservation, Reservation.id == Payment.reservation_id)
        .join(Service, Service.id == Reservation.service_id)
        .join(Plan, Plan.id == Reservation.plan_id)
        .where(Payment.session_id.startswith(f"{SESSION}_"), Payment.status.in_(("open", "paid")))
        .where(Reservation.state.not_in([state.value for state in FINAL_STATES]))
        .order_by(Payment.id)
    )
    return [_as_session(payment, code, f"{service} {plan}") for payment, code, service, plan in db.execute(statement)]


def _as_session(payment: Payment, code: str, name: str) -> dict[str, Any]:
    back, created = f"{shell.address()}/pay/{pay_token(code)}", payment.created_at
    return {
        "id": payment.session_id,
        "intent": payment.intent,
        "amount": payment.amount,
        "name": name,
        "created": int(created.timestamp()),
        "expires_at": int((created + timedelta(seconds=CHECKOUT_LIFETIME_SECONDS)).timestamp()),
        "success_url": f"{back}/done",
        "cancel_url": back,
        "client_reference_id": code,
        "metadata": {"reservation": code},
    }
