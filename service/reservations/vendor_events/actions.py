"""Applies vendor events to reservations: from webhooks, answers to messages, and polling. Events may come in any order
and repeatedly: an event that is already applied changes nothing.

The reservation is locked before its state is checked. Each function returns the result in a few words.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from service.core.database.clock import app_now, real_now
from service.core.outbox import queue
from service.reservations.flow import queries as flow
from service.reservations.flow.actions import record_event
from service.reservations.models import Reservation
from service.reservations.outgoing.actions import VALID_STATES
from service.reservations.outgoing.models import Message, Payment, PhoneCall, Refund
from service.reservations.rules import AREA
from service.reservations.state_machine import events as e
from service.reservations.state_machine.case import Case
from service.reservations.state_machine.states import Answer, Purpose
from service.reservations.transcripts.rules import read_call
from service.reservations.vendor_events import queries
from service.reservations.vendor_events.rules import (
    FIRST_POLL_DELAY,
    MESSAGE_RANKS,
    REFUND_RANKS,
    SMS_POLL_LIMIT,
    SMS_RETRY_DELAYS,
    TEMPORARY_CODES,
    dispute_cause,
    is_later_status,
    message_status,
    refund_cause,
    refund_status,
    undelivered_text,
)

Thing = TypeVar("Thing", Message, Payment, PhoneCall, Refund)
ALREADY_APPLIED = "すでに反映済みの連絡です。"
EARLIER_MESSAGE = "以前の送信についての連絡です。"
# A call that has not ended for so long is no longer polled.
CALL_POLL_LIMIT = timedelta(hours=2)
# A customer's bank may return a refund weeks later: each refund is polled for so long, once a day.
REFUND_POLL_LIMIT, REFUND_POLL_INTERVAL = timedelta(days=30), timedelta(days=1)


class UnknownObject(Exception):
    """No object of ours has this id; our own commit may be in progress."""


def lock_with_reservation(db: Session, thing: Thing) -> tuple[Reservation, Case]:
    """Locks the reservation until the transaction ends and refreshes `thing`."""
    reservation = flow.lock_reservation(db, thing.reservation_id)
    db.refresh(thing)
    return reservation, flow.case_of(reservation)


# SMS


def handle_sms_event(db: Session, sid: str, status: str, code: str, effect: str) -> tuple[int, str]:
    """Twilio's status of an SMS; `effect` is the key of its outbox message. Returns the reservation's id and a result.

    Raises:
        UnknownObject: it is not an SMS of ours.
    """
    outbox_message = queries.outbox_message_by_key(db, effect)
    message = (queries.message_by_key(db, outbox_message.key) if outbox_message else None) or queries.message_by_sid(
        db, sid
    )
    if message is None:
        owner_id = queries.reservation_id_by_code(db, outbox_message.subject_id or "") if outbox_message else None
        if owner_id is None:
            raise UnknownObject
        return owner_id, EARLIER_MESSAGE
    reservation, case = lock_with_reservation(db, message)
    if message.external_id not in (None, sid) or (
        outbox_message is not None and message.message_key != outbox_message.key
    ):
        return reservation.id, EARLIER_MESSAGE
    # The answer to our own request may still be in transit.
    message.external_id = sid
    new_status = message_status(status)
    if new_status is None or not is_later_status(MESSAGE_RANKS, message.status, new_status):
        return reservation.id, ALREADY_APPLIED
    if new_status == "delivered":
        message.status, message.delivered_at, message.look_at = new_status, app_now(db), None
        return reservation.id, "届きました。"
    if new_status == "sent":
        message.status, message.sent_at = new_status, message.sent_at or app_now(db)
        return reservation.id, "送信されました。"
    message.error_code, message.error, message.look_at = code or None, undelivered_text(code), None
    if _send_again(db, message, case, code):
        return reservation.id, "届かなかったため、時間をおいて送り直します。"
    message.status = "undelivered"
    record_sms_failure(db, message, message.error)
    return reservation.id, "届きませんでした。"


def handle_sms_poll(db: Session, message: Message, sid: str, details: Mapping[str, Any]) -> str:
    """Twilio's answer when the SMS is polled."""
    if message.external_id != sid:
        return EARLIER_MESSAGE
    _, outcome = handle_sms_event(db, sid, str(details["status"]), str(details.get("error_code") or ""), "")
    if message.sent_at is not None and app_now(db) - message.sent_at > SMS_POLL_LIMIT:
        message.look_at = None
    return outcome


def _send_again(db: Session, message: Message, case: Case, code: str) -> bool:
    """Publishes another outbox message, which continues to count the tries of this one."""
    earlier = queries.outbox_message_by_key(db, message.message_key)
    if earlier is None or code not in TEMPORARY_CODES or earlier.tries > len(SMS_RETRY_DELAYS):
        return False
    if not is_still_valid(db, message, case):
        return False
    resent = queue.publish(
        db,
        earlier.topic,
        earlier.payload,
        area=AREA.name,
        recipient=earlier.recipient,
        title=earlier.title,
        about=(earlier.subject or "reservation", earlier.subject_id),
        expires_at=earlier.expires_at,
        not_before=app_now(db) + SMS_RETRY_DELAYS[max(earlier.tries, 1) - 1],
        tries=earlier.tries,
    )
    db.flush()
    message.message_key, message.external_id, message.status, message.tries = resent.key, None, "waiting", earlier.tries
    if message.purpose == Purpose.PAYMENT_LINK:
        record_event(db, message.reservation_id, e.LinkLost(), source="twilio", note=message.error)
    return True


def record_sms_failure(db: Session, message: Message, reason: str) -> None:
    """Records a failure, unless the customer's number or address was corrected in the meantime."""
    if is_current_address(db, message):
        record_event(db, message.reservation_id, e.SmsFailed(purpose=message.purpose), source="twilio", note=reason)


def is_current_address(db: Session, message: Message) -> bool:
    """Whether it goes to the customer's current number or address. True for messages to shops."""
    reservation = db.get_one(Reservation, message.reservation_id)
    return message.recipient != "customer" or message.address in (reservation.phone, reservation.mail)


def is_still_valid(db: Session, message: Message, case: Case) -> bool:
    """Whether the message is still valid: the reservation may have changed since it was written."""
    states = VALID_STATES.get(Purpose(message.purpose))
    if (states is not None and case.state not in states) or not is_current_address(db, message):
        return False
    if message.purpose != Purpose.PAYMENT_LINK:
        return True
    return not (message.channel == "sms" and case.by_mail) and queries.is_newest_message(db, message)


# Calls


def handle_call_event(db: Session, call_id: str, effect: str) -> tuple[int, str]:
    """Bland reports about a call. The call is then polled, because others can replay its webhooks.

    Raises:
        UnknownObject: it is not a call of ours.
    """
    outbox_message = queries.outbox_message_by_key(db, effect)
    call = queries.call_by_id(db, call_id) or (queries.call_by_key(db, outbox_message.key) if outbox_message else None)
    if call is None:
        raise UnknownObject
    reservation, _ = lock_with_reservation(db, call)
    if call.external_id not in (None, call_id):
        return reservation.id, EARLIER_MESSAGE
    call.external_id = call_id
    if call.read_answer is not None:
        return reservation.id, ALREADY_APPLIED
    call.look_at = real_now()
    return reservation.id, "通話の記録を確認します。"


def handle_call_poll(db: Session, call: PhoneCall, details: Mapping[str, Any]) -> str:
    """Bland's details of a call, when polled."""
    _, case = lock_with_reservation(db, call)
    if call.read_answer is not None:
        return ALREADY_APPLIED
    reading = read_call(details, queries.requested_time(db, call) or case.starts_at)
    if reading is None:
        if call.placed_at is not None and app_now(db) - call.placed_at > CALL_POLL_LIMIT:
            call.look_at = None
        return "通話中です。"
    call.reading = reading.model_dump(mode="json", exclude={"transcript"})
    call.transcript = [line.model_dump() for line in reading.transcript]
    call.read_answer, call.seconds = reading.answer.value, reading.seconds
    _end_call(db, call, reading.answer, reading.told)
    return reading.why


def handle_missing_call(db: Session, call: PhoneCall) -> str:
    """Bland has no such call."""
    lock_with_reservation(db, call)
    if call.read_answer is not None:
        return ALREADY_APPLIED
    reason = "Bland に通話の記録がありません。"
    _end_call(db, call, Answer.NO_RESULT, reason)
    return reason


def _end_call(db: Session, call: PhoneCall, answer: Answer, reason: str) -> None:
    call.look_at, call.is_active, call.ended_at = None, False, call.ended_at or app_now(db)
    db.flush()  # frees the line for the next call
    ended = e.CallEnded(number=call.number, shop=call.shop_id, answer=answer)
    record_event(db, call.reservation_id, ended, source="bland", note=reason)


# Money


def handle_checkout_event(db: Session, session: Mapping[str, Any]) -> tuple[int, str]:
    """Stripe's state of a checkout session (`jobs.vendors.payments`).

    Raises:
        UnknownObject: it is not a session of ours.
    """
    payment = queries.payment_by_session(db, str(session["session_id"]))
    if payment is None or payment.session_id is None:
        raise UnknownObject
    reservation, _ = lock_with_reservation(db, payment)
    if session["payment_status"] == "paid":
        return reservation.id, _record_payment(db, payment, session)
    if session["status"] != "expired":
        return reservation.id, "支払いを待っています。"
    if payment.status in ("paid", "expired"):
        return reservation.id, ALREADY_APPLIED
    payment.status, payment.closed_at, payment.look_at = "expired", app_now(db), None
    record_event(db, reservation.id, e.SessionClosed(session=payment.session_id), source="stripe")
    return reservation.id, "決済ページは閉じています。"


def _record_payment(db: Session, payment: Payment, session: Mapping[str, Any]) -> str:
    if payment.status == "paid":
        return ALREADY_APPLIED
    intent = str(session["payment_intent"] or payment.session_id)
    payment.status, payment.intent, payment.closed_at, payment.look_at = "paid", intent, app_now(db), None
    amount = session["amount_total"] if session["amount_total"] is not None else payment.amount
    paid = e.Paid(session=payment.session_id or "", intent=intent, amount=int(amount))
    record_event(db, payment.reservation_id, paid, source="stripe")
    return "支払われました。"


def handle_refund_event(db: Session, refund_id: str, effect: str, status: str, reason: str) -> tuple[int, str]:
    """Stripe's state of a refund; `effect` is the key of the outbox message that requested it.

    Raises:
        UnknownObject: it is not a refund of ours.
    """
    refund = queries.refund_by_id(db, refund_id) or queries.money_row(
        db, Refund, queries.outbox_message_by_key(db, effect)
    )
    if refund is None:
        raise UnknownObject
    reservation, _ = lock_with_reservation(db, refund)
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
        record_event(db, reservation.id, e.RefundDone(intent=refund.intent, amount=refund.amount), source="stripe")
        return reservation.id, "返金されました。"
    refund.error = refund_cause(reason)[:500]
    record_refund_failure(db, refund, refund.error)
    return reservation.id, "返金に失敗しました。"


def _next_poll(db: Session, refund: Refund) -> datetime | None:
    """When a refund is polled next: there may be no webhook when the bank returns it."""
    is_old = refund.settled_at is not None and app_now(db) - refund.settled_at > REFUND_POLL_LIMIT
    return None if is_old else real_now() + REFUND_POLL_INTERVAL


def record_refund_failure(db: Session, refund: Refund, reason: str) -> None:
    record_event(db, refund.reservation_id, e.RefundFailed(intent=refund.intent), source="stripe", note=reason)


def handle_dispute_event(db: Session, intent: str, reason: str) -> tuple[int, str]:
    """Raises UnknownObject when it is not a payment of ours."""
    payment = queries.payment_by_intent(db, intent)
    if payment is None:
        raise UnknownObject
    record_event(db, payment.reservation_id, e.Disputed(), source="stripe", note=dispute_cause(reason))
    return payment.reservation_id, "支払いへの異議がありました。"
