"""Delivery results of a reservation's messages, applied in the transaction that finishes the message."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from service.core.database.clock import app_now, real_now
from service.core.outbox.records import OutboxMessage, Settled
from service.reservations.flow import queries as flow
from service.reservations.flow.actions import record_event
from service.reservations.models import Reservation
from service.reservations.outgoing.actions import WITHDRAWN, hang_up
from service.reservations.outgoing.models import Message, Payment, PhoneCall, Refund
from service.reservations.state_machine import events as e
from service.reservations.state_machine.case import EXPIRY_RETRY_AFTER, PAY_MINUTES
from service.reservations.state_machine.states import Answer, Purpose, State
from service.reservations.vendor_events import queries
from service.reservations.vendor_events.actions import (
    handle_checkout_event,
    handle_refund_event,
    is_still_valid,
    lock_with_reservation,
    record_refund_failure,
    record_sms_failure,
)
from service.reservations.vendor_events.rules import FIRST_POLL_DELAY, MESSAGE_RANKS, is_later_status


def handle_delivery_result(db: Session, result: Settled) -> None:
    """The outbox reaction for every message of this area. A discarded message was given up (dead) before."""
    topic, key = result.message.topic, result.message.key
    if topic in ("sms", "mail"):
        message = queries.message_by_key(db, key)
        if message is not None:
            _handle_message(db, message, result)
    elif topic == "voice" and result.message.payload["do"] == "call":
        call = queries.call_by_key(db, key)
        if call is not None:
            _handle_call(db, call, result)
    elif topic == "payments" and result.outcome != "discarded":
        _PAYMENT_HANDLERS[result.message.payload["do"]](db, result)


def reason_not_to_send(db: Session, outbox_message: OutboxMessage) -> str | None:
    """Why a message must no longer be sent; called before each try. After a vendor's outage no reminder of a cancelled
    reservation is sent, and no shop is called for it."""
    if outbox_message.topic in ("sms", "mail"):
        message = queries.message_by_key(db, outbox_message.key)
        if message is None:
            return None
        case = flow.case_of(db.get_one(Reservation, message.reservation_id))
        return None if is_still_valid(db, message, case) else WITHDRAWN
    if outbox_message.topic == "voice" and outbox_message.payload["do"] == "call":
        call = queries.call_by_key(db, outbox_message.key)
        if call is not None and not call.is_active:
            return WITHDRAWN
    return None


def _handle_message(db: Session, message: Message, result: Settled) -> None:
    _, case = lock_with_reservation(db, message)
    message.tries = result.message.tries
    if result.outcome == "sent":
        message.external_id, message.sent_at = message.external_id or result.external_id, message.sent_at or app_now(db)
        is_payment_link = message.purpose == Purpose.PAYMENT_LINK and message.recipient == "customer"
        # The delivery status may already be known.
        arrives = message.status in ("waiting", "sent", "delivered")
        if is_later_status(MESSAGE_RANKS, message.status, "sent") or message.status in ("failed", "dropped"):
            message.status, message.error, message.error_code, arrives = "sent", "", None, True
        if message.channel == "sms" and message.status == "sent":
            message.look_at = message.look_at or real_now() + FIRST_POLL_DELAY["sms"]
        by_mail = message.channel == "mail"
        # A link that was replaced by a newer one does not start the time to pay.
        if is_payment_link and arrives and case.by_mail == by_mail and queries.is_newest_message(db, message):
            event = e.LinkSent(minutes=PAY_MINUTES, by_mail=by_mail)
            record_event(db, message.reservation_id, event, source="system" if by_mail else "twilio")
    elif result.outcome == "discarded":
        if message.status == "waiting":
            message.status = "dropped"
    else:
        _handle_message_failure(db, message, result, is_still_valid(db, message, case), case.by_mail)


def _handle_message_failure(db: Session, message: Message, result: Settled, is_valid: bool, by_mail: bool) -> None:
    if result.message.expired and not is_valid:
        message.status = "dropped"
        return
    message.status, message.error, message.error_code = (
        "failed",
        (result.error or "")[:500],
        (result.code or "")[:20] or None,
    )
    # A link sent only by mail is the only way to pay; every other mail is sent in addition to an SMS.
    is_only_way = message.purpose == Purpose.PAYMENT_LINK and by_mail
    if message.recipient == "customer" and (message.channel == "sms" or is_only_way):
        record_sms_failure(db, message, result.error or "")


def _handle_call(db: Session, call: PhoneCall, result: Settled) -> None:
    reservation, _ = lock_with_reservation(db, call)
    if result.outcome == "sent":
        call.external_id, call.placed_at = call.external_id or result.external_id, app_now(db)
        if call.read_answer is None:
            call.look_at = call.look_at or real_now() + FIRST_POLL_DELAY["call"]
            if not call.is_active:
                # The reservation has advanced while the call was being placed.
                hang_up(db, reservation.code, call)
    elif result.outcome == "dead" and call.is_active:
        answer = Answer.UNKNOWN if result.in_doubt else Answer.FAILED
        event = e.CallEnded(number=call.number, shop=call.shop_id, answer=answer)
        record_event(db, reservation.id, event, source="bland", note=result.error or "")


def _handle_checkout(db: Session, result: Settled) -> None:
    payment = queries.money_row(db, Payment, queries.outbox_message_by_key(db, result.message.key))
    if payment is None:
        return
    reservation, _ = lock_with_reservation(db, payment)
    if result.outcome == "dead":
        if payment.status == "planned":
            payment.status, payment.closed_at = "failed", app_now(db)
        record_event(
            db, reservation.id, e.CheckoutFailed(number=payment.number), source="stripe", note=result.error or ""
        )
        return
    payment.session_id, payment.url = str(result.answer["session_id"]), result.answer["url"]
    if payment.status in ("planned", "failed"):
        payment.status, payment.closed_at, payment.look_at = "open", None, real_now() + FIRST_POLL_DELAY["payment"]
    db.flush()  # the session is found by its id
    event = e.CheckoutReady(number=payment.number, session=payment.session_id)
    record_event(db, reservation.id, event, source="stripe")


def _handle_expire(db: Session, result: Settled) -> None:
    payment = queries.payment_by_session(db, result.message.payload["session_id"])
    if payment is None:
        return
    if result.outcome == "sent":
        handle_checkout_event(db, result.answer)
        return
    reservation, case = lock_with_reservation(db, payment)
    payment.look_at = real_now()
    # Retried once immediately, then only after EXPIRY_RETRY_AFTER: a vendor that rejects every request fails at once.
    is_first_report = not queries.has_event(db, reservation.id, "expiry_unclear", app_now(db) - EXPIRY_RETRY_AFTER)
    if is_first_report and case.state is State.EXPIRING and case.session == payment.session_id:
        record_event(db, reservation.id, e.ExpiryUnclear(), source="stripe", note=result.error or "")


def _handle_refund(db: Session, result: Settled) -> None:
    answer: dict[str, Any] = dict(result.answer)
    if result.outcome == "sent":
        reason = str(answer.get("failure_reason") or "")
        handle_refund_event(db, str(result.external_id), str(result.message.key), str(answer["status"]), reason)
        return
    refund = queries.money_row(db, Refund, queries.outbox_message_by_key(db, result.message.key))
    if refund is not None:
        lock_with_reservation(db, refund)
        # In doubt the refund may have succeeded: Stripe's later report must still count.
        refund.status, refund.error = "pending" if result.in_doubt else "failed", (result.error or "")[:500]
        record_refund_failure(db, refund, refund.error)


_PAYMENT_HANDLERS = {"checkout": _handle_checkout, "expire": _handle_expire, "refund": _handle_refund}
