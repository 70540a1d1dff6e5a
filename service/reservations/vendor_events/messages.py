"""What Twilio and the mail server report about a reservation's messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from service.core.database.clock import app_now, real_now
from service.core.outbox import queue
from service.core.outbox.records import Settled
from service.reservations.flow.actions import apply_event
from service.reservations.flow.queries import case_of, reservation_id_by_code
from service.reservations.models import Reservation
from service.reservations.outgoing.actions import VALID_STATES
from service.reservations.outgoing.models import Message
from service.reservations.outgoing.queries import find_row
from service.reservations.rules import AREA
from service.reservations.state_machine import events as e
from service.reservations.state_machine.case import PAY_MINUTES
from service.reservations.state_machine.states import Purpose
from service.reservations.vendor_events import queries
from service.reservations.vendor_events.rules import (
    ALREADY_APPLIED,
    EARLIER_MESSAGE,
    FIRST_POLL_DELAY,
    MESSAGE_RANKS,
    SMS_POLL_LIMIT,
    SMS_RETRY_DELAYS,
    TEMPORARY_CODES,
    UnknownObject,
    is_later_status,
    message_status,
    undelivered_text,
)


def handle_sms_event(db: Session, sid: str, status: str, code: str, message_key: str) -> tuple[int, str]:
    """Twilio's status of an SMS. Returns the reservation's id and a result.

    Raises:
        UnknownObject: it is not an SMS of ours.
    """
    outbox_message = queries.outbox_message_by_key(db, message_key)
    message = find_row(db, Message, Message.message_key == outbox_message.key) if outbox_message else None
    message = message or find_row(db, Message, Message.external_id == sid, Message.channel == "sms")
    if message is None:
        owner_id = reservation_id_by_code(db, outbox_message.subject_id or "") if outbox_message else None
        if owner_id is None:
            raise UnknownObject
        return owner_id, EARLIER_MESSAGE
    reservation = queries.lock_with_reservation(db, message)
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
    if _send_again(db, reservation, message, code):
        return reservation.id, "届かなかったため、時間をおいて送り直します。"
    message.status = "undelivered"
    record_sms_failure(db, reservation, message, message.error)
    return reservation.id, "届きませんでした。"


def handle_sms_poll(db: Session, message_id: int, sid: str, details: Mapping[str, Any]) -> str:
    """Twilio's answer when the SMS is polled."""
    message = db.get_one(Message, message_id)
    if message.external_id != sid:
        return EARLIER_MESSAGE
    _, outcome = handle_sms_event(db, sid, str(details["status"]), str(details.get("error_code") or ""), "")
    if message.sent_at is not None and app_now(db) - message.sent_at > SMS_POLL_LIMIT:
        message.look_at = None
    return outcome


def handle_message_result(db: Session, result: Settled) -> None:
    """An SMS or a mail was sent, failed or was discarded."""
    message = find_row(db, Message, Message.message_key == result.message.key)
    if message is None:
        return
    reservation = queries.lock_with_reservation(db, message)
    message.tries = result.message.tries
    if result.outcome == "sent":
        message.external_id, message.sent_at = message.external_id or result.external_id, message.sent_at or app_now(db)
        # The delivery status may already be known.
        arrives = message.status in ("waiting", "sent", "delivered")
        if is_later_status(MESSAGE_RANKS, message.status, "sent") or message.status in ("failed", "dropped"):
            message.status, message.error, message.error_code, arrives = "sent", "", None, True
        if message.channel == "sms" and message.status == "sent":
            message.look_at = message.look_at or real_now() + FIRST_POLL_DELAY["sms"]
        if arrives:
            _record_sent_link(db, reservation, message)
    elif result.outcome == "discarded":
        if message.status == "waiting":
            message.status = "dropped"
    else:
        _handle_failure(db, reservation, message, result)


def _record_sent_link(db: Session, reservation: Reservation, message: Message) -> None:
    """The time to pay begins with the link, but not with one that was replaced by a newer one."""
    by_mail = message.channel == "mail"
    is_payment_link = message.purpose == Purpose.PAYMENT_LINK and message.recipient == "customer"
    if is_payment_link and case_of(reservation).by_mail == by_mail and queries.is_newest_message(db, message):
        event = e.LinkSent(minutes=PAY_MINUTES, by_mail=by_mail)
        apply_event(db, reservation, event, source="system" if by_mail else "twilio")


def _handle_failure(db: Session, reservation: Reservation, message: Message, result: Settled) -> None:
    if result.message.expired and not is_still_valid(db, reservation, message):
        message.status = "dropped"
        return
    message.status, message.error, message.error_code = (
        "failed",
        (result.error or "")[:500],
        (result.code or "")[:20] or None,
    )
    # A link sent only by mail is the only way to pay; every other mail is sent in addition to an SMS.
    is_only_way = message.purpose == Purpose.PAYMENT_LINK and case_of(reservation).by_mail
    if message.recipient == "customer" and (message.channel == "sms" or is_only_way):
        record_sms_failure(db, reservation, message, result.error or "")


def _send_again(db: Session, reservation: Reservation, message: Message, code: str) -> bool:
    """Publishes another outbox message, which continues to count the tries of this one."""
    earlier = queries.outbox_message_by_key(db, message.message_key)
    if earlier is None or code not in TEMPORARY_CODES or earlier.tries > len(SMS_RETRY_DELAYS):
        return False
    if not is_still_valid(db, reservation, message):
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
        apply_event(db, reservation, e.LinkLost(), source="twilio", note=message.error)
    return True


def record_sms_failure(db: Session, reservation: Reservation, message: Message, reason: str) -> None:
    """Records a failure, unless the customer's number or address was corrected in the meantime."""
    if _is_current_address(reservation, message):
        apply_event(db, reservation, e.SmsFailed(purpose=message.purpose), source="twilio", note=reason)


def _is_current_address(reservation: Reservation, message: Message) -> bool:
    """Whether it goes to the customer's current number or address. True for messages to shops."""
    return message.recipient != "customer" or message.address in (reservation.phone, reservation.mail)


def is_still_valid(db: Session, reservation: Reservation, message: Message) -> bool:
    """Whether the message is still valid: the reservation may have changed since it was written."""
    case, states = case_of(reservation), VALID_STATES.get(Purpose(message.purpose))
    if (states is not None and case.state not in states) or not _is_current_address(reservation, message):
        return False
    if message.purpose != Purpose.PAYMENT_LINK:
        return True
    return not (message.channel == "sms" and case.by_mail) and queries.is_newest_message(db, message)
