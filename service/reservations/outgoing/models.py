"""Tables of calls, payments, refunds, messages and links."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, UUID
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base

_RESERVATION = "reservations_reservations.id"


class PhoneCall(Base):
    """A call to a shop. At most one call is active per reservation and per telephone number."""

    __tablename__ = "reservations_calls"
    __table_args__ = (
        UniqueConstraint("reservation_id", "number"),
        Index("uq_reservations_calls_active", "reservation_id", unique=True, postgresql_where=text("is_active")),
        Index("uq_reservations_calls_line", "phone", unique=True, postgresql_where=text("is_active")),
        Index("uq_reservations_calls_external_id", "external_id", unique=True),
        Index("ix_reservations_calls_look_at", "look_at", postgresql_where=text("look_at IS NOT NULL")),
        Index("ix_reservations_calls_shop_id", "shop_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    reservation_id: Mapped[int] = mapped_column(ForeignKey(_RESERVATION, ondelete="RESTRICT"))
    number: Mapped[int]
    round: Mapped[int] = mapped_column(SmallInteger)
    shop_id: Mapped[int] = mapped_column(ForeignKey("reservations_shops.id", ondelete="RESTRICT"))
    phone: Mapped[str] = mapped_column(String(16))
    is_active: Mapped[bool] = mapped_column(server_default="true")
    # The outbox message that places it, and the vendor's id of the call once it is placed.
    message_key: Mapped[uuid.UUID | None] = mapped_column(UUID)
    external_id: Mapped[str | None] = mapped_column(String(100))
    planned_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    placed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # When the vendor is polled next, in real time: a webhook may never come.
    look_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    answer: Mapped[str | None] = mapped_column(String(20))
    # What was read from the call, before any correction by an operator, and why (`vendor_events.transcripts.Reading`).
    read_answer: Mapped[str | None] = mapped_column(String(20))
    reading: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    transcript: Mapped[list[Any] | None] = mapped_column(JSONB(none_as_null=True))
    seconds: Mapped[int | None]
    overruled_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    overruled_by: Mapped[str | None] = mapped_column(String(100))


class Payment(Base):
    """A checkout session. `look_at`: when Stripe is polled next, in real time."""

    __tablename__ = "reservations_payments"
    __table_args__ = (
        UniqueConstraint("reservation_id", "number"),
        CheckConstraint("status IN ('planned', 'open', 'paid', 'expired', 'failed')", name="status"),
        Index("ix_reservations_payments_intent", "intent"),
        Index("ix_reservations_payments_look_at", "look_at", postgresql_where=text("look_at IS NOT NULL")),
        Index("ix_reservations_payments_paid", "closed_at", postgresql_where=text("status = 'paid'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    reservation_id: Mapped[int] = mapped_column(ForeignKey(_RESERVATION, ondelete="RESTRICT"))
    number: Mapped[int]
    amount: Mapped[int]
    session_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    url: Mapped[str | None] = mapped_column(String(2000))
    status: Mapped[str] = mapped_column(String(20), server_default="planned")
    intent: Mapped[str | None] = mapped_column(String(255))
    look_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    closed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class Refund(Base):
    """A refund. Stripe may report `pending` first and a failure later."""

    __tablename__ = "reservations_refunds"
    __table_args__ = (
        UniqueConstraint("reservation_id", "number"),
        CheckConstraint("status IN ('planned', 'pending', 'succeeded', 'failed')", name="status"),
        Index("ix_reservations_refunds_look_at", "look_at", postgresql_where=text("look_at IS NOT NULL")),
        Index("ix_reservations_refunds_succeeded", "settled_at", postgresql_where=text("status = 'succeeded'")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    reservation_id: Mapped[int] = mapped_column(ForeignKey(_RESERVATION, ondelete="RESTRICT"))
    number: Mapped[int]
    intent: Mapped[str] = mapped_column(String(255))
    amount: Mapped[int]
    refund_id: Mapped[str | None] = mapped_column(String(255), unique=True)
    status: Mapped[str] = mapped_column(String(20), server_default="planned")
    error: Mapped[str] = mapped_column(String(500), server_default="")
    look_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    settled_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class Message(Base):
    """An SMS or a mail to the customer or a shop, with its delivery result. `look_at`: when Twilio is polled next."""

    __tablename__ = "reservations_messages"
    __table_args__ = (
        CheckConstraint("channel IN ('sms', 'mail')", name="channel"),
        CheckConstraint("recipient IN ('customer', 'shop')", name="recipient"),
        CheckConstraint(
            "status IN ('waiting', 'sent', 'delivered', 'undelivered', 'failed', 'dropped')", name="status"
        ),
        Index("ix_reservations_messages_reservation_id", "reservation_id", "id"),
        Index("uq_reservations_messages_message_key", "message_key", unique=True),
        Index("ix_reservations_messages_external_id", "external_id"),
        Index("ix_reservations_messages_look_at", "look_at", postgresql_where=text("look_at IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    reservation_id: Mapped[int] = mapped_column(ForeignKey(_RESERVATION, ondelete="RESTRICT"))
    channel: Mapped[str] = mapped_column(String(10))
    recipient: Mapped[str] = mapped_column(String(10))
    purpose: Mapped[str] = mapped_column(String(30))
    address: Mapped[str] = mapped_column(String(254))
    title: Mapped[str] = mapped_column(String(200), server_default="")
    body: Mapped[str] = mapped_column(String(4000))
    # The current outbox message: an undelivered SMS is sent again with a new one.
    message_key: Mapped[uuid.UUID] = mapped_column(UUID)
    external_id: Mapped[str | None] = mapped_column(String(100))
    status: Mapped[str] = mapped_column(String(20), server_default="waiting")
    tries: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    error_code: Mapped[str | None] = mapped_column(String(20))
    error: Mapped[str] = mapped_column(String(500), server_default="")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    sent_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    delivered_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    look_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class Link(Base):
    """A link to a public page: the hash of the token in its URL."""

    __tablename__ = "reservations_links"
    __table_args__ = (
        CheckConstraint("purpose IN ('pay', 'cancel', 'survey')", name="purpose"),
        Index("ix_reservations_links_reservation_id", "reservation_id"),
    )

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    reservation_id: Mapped[int] = mapped_column(ForeignKey(_RESERVATION, ondelete="RESTRICT"))
    purpose: Mapped[str] = mapped_column(String(10))
    payment_number: Mapped[int | None]
    expires_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
