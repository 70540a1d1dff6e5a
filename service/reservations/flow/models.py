"""Tables of reservations, their timeline, assistants (tokens) and vendors' webhooks."""

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

from service.core.database.session import Base, enum_check
from service.reservations.outgoing.models import Link as Link

# Re-exported: code that reads reservations also reads what they led to.
from service.reservations.outgoing.models import Payment as Payment
from service.reservations.outgoing.models import PhoneCall as PhoneCall
from service.reservations.outgoing.models import Refund as Refund
from service.reservations.state_machine.states import State

_RESERVATION = "reservations_reservations.id"


class Assistant(Base):
    """A token that may act for customers. A shared token also needs the customer's phone number for status and
    cancelling."""

    __tablename__ = "reservations_assistants"
    __table_args__ = (CheckConstraint(r"name ~ '\S'", name="name"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    is_shared: Mapped[bool] = mapped_column(server_default="false")
    # When the steps were explained, in the first answer to each token (document 3.1.3).
    greeted_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    last_used_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())


class Reservation(Base):
    """A reservation. `case_now` is the complete case of the state machine (`state_machine.case.Case`); state, times and
    amounts are copied to columns for lists and figures. Only `flow.actions` writes both."""

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
        enum_check("state", State),
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
    # An unlisted shop that an operator found.
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
    """An event of the timeline and its effects (`state_machine.events`). Append-only."""

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
    # Why the event changed nothing.
    ignored: Mapped[str | None] = mapped_column(String(200))
    # The source: system, assistant, customer, stripe, twilio, bland or operator.
    source: Mapped[str] = mapped_column(String(20))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    by: Mapped[str] = mapped_column(String(100), server_default="")
    note: Mapped[str] = mapped_column(String(2000), server_default="")


class Webhook(Base):
    """A vendor's webhook, stored once. A worker processes it later; `outcome` says with what result."""

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
