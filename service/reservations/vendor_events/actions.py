"""Results of this area's outbox messages, applied in the transaction that finishes the message."""

from __future__ import annotations

from sqlalchemy.orm import Session

from service.core.outbox.records import OutboxMessage, Settled
from service.reservations.models import Reservation
from service.reservations.outgoing.actions import WITHDRAWN
from service.reservations.outgoing.models import Message, PhoneCall
from service.reservations.outgoing.queries import find_row
from service.reservations.vendor_events.calls import handle_call_result
from service.reservations.vendor_events.messages import handle_message_result, is_still_valid
from service.reservations.vendor_events.payments import handle_payment_result


def handle_delivery_result(db: Session, result: Settled) -> None:
    """The outbox reaction for every message of this area. A discarded message was given up (dead) before."""
    topic = result.message.topic
    if topic in ("sms", "mail"):
        handle_message_result(db, result)
    elif topic == "voice" and result.message.payload["do"] == "call":
        handle_call_result(db, result)
    elif topic == "payments":
        handle_payment_result(db, result)


def reason_not_to_send(db: Session, outbox_message: OutboxMessage) -> str | None:
    """Why a message must no longer be sent; called before each try. After a vendor's outage no reminder of a cancelled
    reservation is sent, and no shop is called for it."""
    if outbox_message.topic in ("sms", "mail"):
        message = find_row(db, Message, Message.message_key == outbox_message.key)
        if message is None:
            return None
        reservation = db.get_one(Reservation, message.reservation_id)
        return None if is_still_valid(db, reservation, message) else WITHDRAWN
    if outbox_message.topic == "voice" and outbox_message.payload["do"] == "call":
        call = find_row(db, PhoneCall, PhoneCall.message_key == outbox_message.key)
        if call is not None and not call.is_active:
            return WITHDRAWN
    return None
