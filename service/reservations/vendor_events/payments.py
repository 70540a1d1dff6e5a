"""What Stripe reports about checkout sessions, refunds and disputes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from service.core.database.clock import app_now, real_now
from service.core.outbox.records import Settled
from service.reservations.flow.actions import apply_event, record_event
from service.reservations.flow.queries import case_of
from service.reservations.models import Reservation
from service.reservations.outgoing.models import Payment, Refund
from service.reservations.outgoing.queries import find_row
from service.reservations.state_machine import events as e
from service.reservations.state_machine.case import EXPIRY_RETRY_AFTER
from service.reservations.state_machine.states import State
from service.reservations.vendor_events import queries
from service.reservations.vendor_events.rules import (
    ALREADY_APPLIED,
    EARLIER_MESSAGE,
    FIRST_POLL_DELAY,
    REFUND_RANKS,
    UnknownObject,
    dispute_cause,
    is_later_status,
    refund_cause,
    refund_status,
)

# A customer's bank may return a refund weeks later: each refund is polled for so long, once a day.
REFUND_POLL_LIMIT, REFUND_POLL_INTERVAL = timedelta(days=30), timedelta(days=1)


def handle_checkout_event(db: Session, session: Mapping[str, Any]) -> tuple[int, str]:
    """Stripe's state of a checkout session (`jobs.vendors.payments`).

    Raises:
        UnknownObject: it is not a session of ours.
    """
    payment = find_row(db, Payment, Payment.session_id == str(session["session_id"]))
    if payment is None or payment.session_id is None:
        raise UnknownObject
    reservation = queries.lock_with_reservation(db, payment)
    if session["payment_status"] == "paid":
        return reservation.id, _record_payment(db, reservation, payment, session)
    if session["status"] != "expired":
        return reservation.id, "支払いを待っています。"
    if payment.status in ("paid", "expired"):
        return reservation.id, ALREADY_APPLIED
    payment.status, payment.closed_at, payment.look_at = "expired", app_now(db), None
    apply_event(db, reservation, e.SessionClosed(session=payment.session_id), source="stripe")
    return reservation.id, "決済ページは閉じています。"


def _record_payment(db: Session, reservation: Reservation, payment: Payment, session: Mapping[str, Any]) -> str:
    if payment.status == "paid":
        return ALREADY_APPLIED
    intent = str(session["payment_intent"] or payment.session_id)
    payment.status, payment.intent, payment.closed_at, payment.look_at = "paid", intent, app_now(db), None
    amount = session["amount_total"] if session["amount_total"] is not None else payment.amount
    paid = e.Paid(session=payment.session_id or "", intent=intent, amount=int(amount))
    apply_event(db, reservation, paid, source="stripe")
    return "支払われました。"


def handle_refund_event(db: Session, refund_id: str, message_key: str, status: str, reason: str) -> tuple[int, str]:
    """Stripe's state of a refund; `message_key` is of the outbox message that requested it.

    Raises:
        UnknownObject: it is not a refund of ours.
    """
    refund = find_row(db, Refund, Refund.refund_id == refund_id) or queries.money_row(db, Refund, message_key)
    if refund is None:
        raise UnknownObject
    reservation = queries.lock_with_reservation(db, refund)
    if refund.refund_id not in (None, refund_id):
        return reservation.id, EARLIER_MESSAGE
    refund.refund_id = refund_id
    new_status = refund_status(status)
    if not is_later_status(REFUND_RANKS, refund.status, new_status):
        if refund.status == "succeeded":
            refund.look_at = _next_poll(db, refund)
        return reservation.id, ALREADY_APPLIED
    refund.status = new_status
    if new_status == "pending":
        refund.look_at = real_now() + FIRST_POLL_DELAY["refund"]
        return reservation.id, "返金を受け付けました。"
    refund.look_at, refund.settled_at = None, app_now(db)
    if new_status == "succeeded":
        refund.look_at = _next_poll(db, refund)
        apply_event(db, reservation, e.RefundDone(intent=refund.intent, amount=refund.amount), source="stripe")
        return reservation.id, "返金されました。"
    refund.error = refund_cause(reason)[:500]
    _record_refund_failure(db, reservation, refund)
    return reservation.id, "返金に失敗しました。"


def _next_poll(db: Session, refund: Refund) -> datetime | None:
    """When a refund is polled next: there may be no webhook when the bank returns it."""
    is_old = refund.settled_at is not None and app_now(db) - refund.settled_at > REFUND_POLL_LIMIT
    return None if is_old else real_now() + REFUND_POLL_INTERVAL


def _record_refund_failure(db: Session, reservation: Reservation, refund: Refund) -> None:
    apply_event(db, reservation, e.RefundFailed(intent=refund.intent), source="stripe", note=refund.error)


def handle_dispute_event(db: Session, intent: str, reason: str) -> tuple[int, str]:
    """Raises UnknownObject when it is not a payment of ours."""
    payment = find_row(db, Payment, Payment.intent == intent)
    if payment is None:
        raise UnknownObject
    record_event(db, payment.reservation_id, e.Disputed(), source="stripe", note=dispute_cause(reason))
    return payment.reservation_id, "支払いへの異議がありました。"


def _handle_checkout(db: Session, result: Settled) -> None:
    payment = queries.money_row(db, Payment, result.message.key)
    if payment is None:
        return
    reservation = queries.lock_with_reservation(db, payment)
    if result.outcome == "dead":
        if payment.status == "planned":
            payment.status, payment.closed_at = "failed", app_now(db)
        failed = e.CheckoutFailed(number=payment.number)
        apply_event(db, reservation, failed, source="stripe", note=result.error or "")
        return
    payment.session_id, payment.url = str(result.answer["session_id"]), result.answer["url"]
    if payment.status in ("planned", "failed"):
        payment.status, payment.closed_at, payment.look_at = "open", None, real_now() + FIRST_POLL_DELAY["payment"]
    db.flush()  # the session is found by its id
    event = e.CheckoutReady(number=payment.number, session=payment.session_id)
    apply_event(db, reservation, event, source="stripe")


def _handle_expire(db: Session, result: Settled) -> None:
    payment = find_row(db, Payment, Payment.session_id == result.message.payload["session_id"])
    if payment is None:
        return
    if result.outcome == "sent":
        handle_checkout_event(db, result.answer)
        return
    reservation = queries.lock_with_reservation(db, payment)
    payment.look_at = real_now()
    # Retried once immediately, then only after EXPIRY_RETRY_AFTER: a vendor that rejects every request fails at once.
    is_first_report = not queries.has_event(db, reservation.id, "expiry_unclear", app_now(db) - EXPIRY_RETRY_AFTER)
    case = case_of(reservation)
    if is_first_report and case.state is State.EXPIRING and case.session == payment.session_id:
        apply_event(db, reservation, e.ExpiryUnclear(), source="stripe", note=result.error or "")


def _handle_refund(db: Session, result: Settled) -> None:
    answer: dict[str, Any] = dict(result.answer)
    if result.outcome == "sent":
        reason = str(answer.get("failure_reason") or "")
        handle_refund_event(db, str(result.external_id), str(result.message.key), str(answer["status"]), reason)
        return
    refund = queries.money_row(db, Refund, result.message.key)
    # Stripe's report of an earlier try may have come first.
    if refund is not None and refund.status != "succeeded":
        reservation = queries.lock_with_reservation(db, refund)
        # In doubt the refund may have succeeded: Stripe's later report must still count.
        refund.status, refund.error = "pending" if result.in_doubt else "failed", (result.error or "")[:500]
        _record_refund_failure(db, reservation, refund)


_RESULT_HANDLERS = {"checkout": _handle_checkout, "expire": _handle_expire, "refund": _handle_refund}


def handle_payment_result(db: Session, result: Settled) -> None:
    """A request to Stripe was carried out, or given up. A discarded one was given up before."""
    if result.outcome != "discarded":
        _RESULT_HANDLERS[result.message.payload["do"]](db, result)
