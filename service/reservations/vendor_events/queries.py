"""Finds the rows that a vendor event is about."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.outbox.records import OutboxMessage
from service.core.values.times import TOKYO
from service.reservations.flow.queries import lock_reservation
from service.reservations.models import Reservation, TimelineEvent
from service.reservations.outgoing.models import Message, Payment, PhoneCall, Refund
from service.reservations.rules import AREA

Reported = TypeVar("Reported", Message, Payment, PhoneCall, Refund)


def lock_with_reservation(db: Session, reported: Reported) -> Reservation:
    """Locks the reservation until the transaction ends, before its state is checked. Refreshes `reported`."""
    reservation = lock_reservation(db, reported.reservation_id)
    db.refresh(reported)
    return reservation


def has_event(db: Session, reservation: int, kind: str, since: datetime) -> bool:
    """Whether an event of that kind was recorded after `since`."""
    statement = select(TimelineEvent.number).where(
        TimelineEvent.reservation_id == reservation, TimelineEvent.kind == kind
    )
    return db.scalars(statement.where(TimelineEvent.at > since).limit(1)).one_or_none() is not None


def outbox_message_by_key(db: Session, key: str | uuid.UUID) -> OutboxMessage | None:
    """The outbox message with that key, if it belongs to this area. `key` may be any text from outside."""
    try:
        uuid_key = key if isinstance(key, uuid.UUID) else uuid.UUID(key)
    except ValueError:
        return None
    message = db.scalars(select(OutboxMessage).where(OutboxMessage.key == uuid_key)).one_or_none()
    return message if message is not None and message.area == AREA.name else None


def is_newest_message(db: Session, message: Message) -> bool:
    """Whether no newer message of its kind was written."""
    newer = select(Message.id).where(
        Message.reservation_id == message.reservation_id,
        Message.purpose == message.purpose,
        Message.channel == message.channel,
        Message.recipient == message.recipient,
        Message.id > message.id,
    )
    return db.scalar(select(newer.exists())) is not True


def requested_time(db: Session, call: PhoneCall) -> datetime | None:
    """The time that was requested in the call: the reservation's time may have changed since."""
    message = outbox_message_by_key(db, call.message_key) if call.message_key else None
    request_data = message.payload["request_data"] if message else {}
    try:
        return datetime.fromisoformat(f"{request_data['date']}T{request_data['time']}").replace(tzinfo=TOKYO)
    except (KeyError, ValueError):
        return None


Numbered = TypeVar("Numbered", Payment, Refund)


def money_row(db: Session, table: type[Numbered], key: str | uuid.UUID) -> Numbered | None:
    """The payment or refund that the outbox message with that key is about."""
    message = outbox_message_by_key(db, key)
    if message is None or message.subject_id is None:
        return None
    statement = select(table).join(Reservation, Reservation.id == table.reservation_id)
    number = message.payload.get("number")
    return db.scalars(statement.where(Reservation.code == message.subject_id, table.number == number)).one_or_none()
