"""Reservations with their timeline, who asks for them, and what vendors told us."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.db import Base, one_of

# Whoever looks at a reservation looks at what it led to as well.
from service.reservations.effects.models import Letter as Letter
from service.reservations.effects.models import Link as Link
from service.reservations.effects.models import Payment as Payment
from service.reservations.effects.models import PhoneCall as PhoneCall
from service.reservations.effects.models import Refund as Refund
from service.reservations.events.rules import State

_RESERVATION = "reservations_reservations.id"


class Assistant(Base):
    """Who may speak for customers. A shared token also needs the customer's phone number for status and cancelling."""

    __tablename__ = "reservations_assistants"
    __table_args__ = (CheckConstraint(r"name ~ '\S'", name="name"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    is_shared: Mapped[bool] = mapped_column(server_default="false")
    # When the steps were explained: the first answer to each token does (document 3.1.3).
    greeted_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    last_used_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())


class Reservation(Base):
    """A reservation. `case_now` is the state machine's case, whole (`machine.rules.Case`); state, times and amounts
    stand beside it once more for lists and figures. Only `flow.actions` writes either."""

    __tablename__ = "reservations_reservations"
    __table_args__ = (
        ForeignKeyConstraint(
            ["plan_id", "service_id"],
            ["reservations_plans.id", "reservations_plans.service_id"],
            ondelete="RESTRICT",
            name="fk_reservations_reservations_plan_id",
        ),
        CheckConstraint("code ~ '^QRV-[A-Z0-9]{6}$'", name="code"),
        CheckConstraint(r"phone ~ '^\+[0-9]{8,15}$'", name="phone"),
        one_of("state", State),
        Index(
            "uq_reservations_reservations_request",
            text("coalesce(assistant_id, 0)"),
            text("coalesce(user_id, 0)"),
            "client_request_id",
            unique=True,
        ),
        Index(
            "ix_reservations_reservations_due",
            "next_action_at",
            postgresql_where=text("next_action_at IS NOT NULL"),
        ),
        Index("ix_reservations_reservations_created_at", "created_at", "id"),
        Index("ix_reservations_reservations_starts_at", "starts_at", "id"),
        Index("ix_reservations_reservations_phone", "phone", "created_at"),
        Index("ix_reservations_reservations_state", "state", "id"),
        Index("ix_reservations_reservations_shop_id", "shop_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(String(12), unique=True)
    assistant_id: Mapped[int | None] = mapped_column(ForeignKey("reservations_assistants.id", ondelete="RESTRICT"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    client_request_id: Mapped[str] = mapped_column(String(100))
    service_id: Mapped[int] = mapped_column(ForeignKey("reservations_services.id", ondelete="RESTRICT"))
    plan_id: Mapped[int] = mapped_column(BigInteger)
    customer_name: Mapped[str] = mapped_column(String(100))
    phone: Mapped[str] = mapped_column(String(16))
    mail: Mapped[str] = mapped_column(String(254), server_default="")
    wishes: Mapped[str] = mapped_column(String(500), server_default="")
    shop_id: Mapped[int | None] = mapped_column(ForeignKey("reservations_shops.id", ondelete="RESTRICT"))
    # A shop in no list, which an operator found.
    shop_note: Mapped[str] = mapped_column(String(300), server_default="")
    state: Mapped[str] = mapped_column(String(30))
    state_since: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    starts_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    price: Mapped[int]
    paid: Mapped[int] = mapped_column(server_default="0")
    refunded: Mapped[int] = mapped_column(server_default="0")
    paid_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    confirmed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    closed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    case_now: Mapped[dict[str, Any]] = mapped_column(JSONB)
    next_action_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())


class TimelineEvent(Base):
    """What happened, in order, and what it led to (`events.rules`). Rows are only added."""

    __tablename__ = "reservations_events"
    __table_args__ = (Index("ix_reservations_events_at", "at"),)

    reservation_id: Mapped[int] = mapped_column(ForeignKey(_RESERVATION, ondelete="RESTRICT"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    event: Mapped[dict[str, Any]] = mapped_column(JSONB)
    kind: Mapped[str] = mapped_column(String(30))
    state_before: Mapped[str | None] = mapped_column(String(30))
    state: Mapped[str] = mapped_column(String(30))
    effects: Mapped[list[Any]] = mapped_column(JSONB)
    # Why it changed nothing.
    ignored: Mapped[str | None] = mapped_column(String(200))
    # Who brought it: system, assistant, customer, stripe, twilio, bland, or a person.
    source: Mapped[str] = mapped_column(String(20))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    by: Mapped[str] = mapped_column(String(100), server_default="")
    note: Mapped[str] = mapped_column(String(2000), server_default="")


class Webhook(Base):
    """What a vendor told us, once. A worker reads it from here; `outcome` says what came of it."""

    __tablename__ = "reservations_webhooks"
    __table_args__ = (
        UniqueConstraint("provider", "event_id"),
        Index("ix_reservations_webhooks_due", "next_try_at", postgresql_where=text("processed_at IS NULL")),
        Index("ix_reservations_webhooks_received_at", "received_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    provider: Mapped[str] = mapped_column(String(10))
    event_id: Mapped[str] = mapped_column(String(300))
    kind: Mapped[str] = mapped_column(String(100))
    body: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    processed_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    tries: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    next_try_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    reservation_id: Mapped[int | None] = mapped_column(BigInteger)
    outcome: Mapped[str | None] = mapped_column(String(500))
