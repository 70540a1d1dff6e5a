"""Whose the thing is that a vendor speaks of."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.core.clock import TOKYO
from service.core.outbox import OutboxMessage
from service.reservations.flow.models import Letter, Payment, PhoneCall, Refund, Reservation, TimelineEvent
from service.reservations.rules import AREA


def reservation_id(db: Session, code: str) -> int | None:
    return db.scalars(select(Reservation.id).where(Reservation.code == code)).one_or_none()


def has_happened(db: Session, reservation: int, kind: str, since: datetime) -> bool:
    """Whether something of that kind has happened to it since then."""
    wanted = select(TimelineEvent.number).where(TimelineEvent.reservation_id == reservation, TimelineEvent.kind == kind)
    return db.scalars(wanted.where(TimelineEvent.at > since).limit(1)).one_or_none() is not None


def our_message(db: Session, key: str | uuid.UUID) -> OutboxMessage | None:
    """The outbox's message of that key, if it is one of this area. The text may be anybody's."""
    try:
        known = key if isinstance(key, uuid.UUID) else uuid.UUID(key)
    except ValueError:
        return None
    found = db.scalars(select(OutboxMessage).where(OutboxMessage.key == known)).one_or_none()
    return found if found is not None and found.area == AREA.name else None


def letter_of(db: Session, key: uuid.UUID) -> Letter | None:
    return db.scalars(select(Letter).where(Letter.message_key == key)).one_or_none()


def letter_by_sid(db: Session, sid: str) -> Letter | None:
    return db.scalars(select(Letter).where(Letter.external_id == sid, Letter.channel == "sms")).first()


def is_newest(db: Session, letter: Letter) -> bool:
    """Of its kind: no other was written since."""
    since = select(Letter.id).where(
        Letter.reservation_id == letter.reservation_id,
        Letter.purpose == letter.purpose,
        Letter.channel == letter.channel,
        Letter.recipient == letter.recipient,
        Letter.id > letter.id,
    )
    return db.scalar(select(since.exists())) is not True


def call_of(db: Session, key: uuid.UUID) -> PhoneCall | None:
    return db.scalars(select(PhoneCall).where(PhoneCall.message_key == key)).one_or_none()


def asked_for(db: Session, call: PhoneCall) -> datetime | None:
    """The time that the shop was asked for: the reservation's may be another one by now."""
    message = our_message(db, call.message_key) if call.message_key else None
    said = message.payload["request_data"] if message else {}
    try:
        return datetime.fromisoformat(f"{said['date']}T{said['time']}").replace(tzinfo=TOKYO)
    except (KeyError, ValueError):
        return None


def call_by_id(db: Session, call_id: str) -> PhoneCall | None:
    return db.scalars(select(PhoneCall).where(PhoneCall.external_id == call_id)).one_or_none()


def payment_by_session(db: Session, session_id: str) -> Payment | None:
    return db.scalars(select(Payment).where(Payment.session_id == session_id)).one_or_none()


def payment_by_intent(db: Session, intent: str) -> Payment | None:
    return db.scalars(select(Payment).where(Payment.intent == intent)).first()


Numbered = TypeVar("Numbered", Payment, Refund)


def numbered(db: Session, table: type[Numbered], message: OutboxMessage | None) -> Numbered | None:
    """The checkout or refund that a message is about."""
    if message is None or message.subject_id is None:
        return None
    wanted = select(table).join(Reservation, Reservation.id == table.reservation_id)
    number = message.payload.get("number")
    return db.scalars(wanted.where(Reservation.code == message.subject_id, table.number == number)).one_or_none()


def refund_by_id(db: Session, refund_id: str) -> Refund | None:
    return db.scalars(select(Refund).where(Refund.refund_id == refund_id)).one_or_none()
