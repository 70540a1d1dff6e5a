"""Tables that several topics share: services with their plans, shops, assistants, reservations and their timeline."""

from __future__ import annotations

from datetime import datetime, time
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
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, RecordColumns, VersionColumns, enum_check
from service.reservations.state_machine.states import State


class Service(RecordColumns, Base):
    """A type of service that customers request by name."""

    __tablename__ = "reservations_services"
    __table_args__ = (
        CheckConstraint("code ~ '^[a-z0-9-]+$'", name="code"),
        CheckConstraint(r"name ~ '\S'", name="name"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(String(30), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    description: Mapped[str] = mapped_column(String(500), server_default="")
    position: Mapped[int] = mapped_column(server_default="0")


class Plan(RecordColumns, Base):
    """A size of a service with its price in yen. A reservation keeps the price at which it was made."""

    __tablename__ = "reservations_plans"
    __table_args__ = (
        UniqueConstraint("service_id", "code"),
        UniqueConstraint("id", "service_id", name="uq_reservations_plans_id_service_id"),
        CheckConstraint("code ~ '^[a-z0-9-]+$'", name="code"),
        CheckConstraint(r"name ~ '\S'", name="name"),
        CheckConstraint("price BETWEEN 50 AND 9999999", name="price"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    service_id: Mapped[int] = mapped_column(ForeignKey("reservations_services.id", ondelete="RESTRICT"))
    code: Mapped[str] = mapped_column(String(30))
    name: Mapped[str] = mapped_column(String(100))
    price: Mapped[int]
    position: Mapped[int] = mapped_column(server_default="0")


class Shop(RecordColumns, Base):
    """A partner shop. It is called between `opens_at` and `closes_at` (Tokyo), not on its closed weekdays (ISO: 1 is
    Monday). A blacklisted shop is not called."""

    __tablename__ = "reservations_shops"
    __table_args__ = (
        CheckConstraint("code ~ '^[A-Za-z0-9_-]+$'", name="code"),
        CheckConstraint(r"name ~ '\S'", name="name"),
        CheckConstraint(r"phone ~ '^\+[0-9]{8,15}$'", name="phone"),
        CheckConstraint("closes_at > opens_at", name="closes_at"),
        # For the job that looks for due manuals every minute.
        Index(
            "ix_reservations_shops_manual",
            "id",
            postgresql_where=text(
                "manual_sent_at IS NULL AND mail <> '' AND archived_at IS NULL AND blacklisted_at IS NULL"
            ),
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    code: Mapped[str] = mapped_column(String(30), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    phone: Mapped[str] = mapped_column(String(16))
    mail: Mapped[str] = mapped_column(String(254), server_default="")
    contact_name: Mapped[str] = mapped_column(String(100), server_default="")
    note: Mapped[str] = mapped_column(String(1000), server_default="")
    opens_at: Mapped[time] = mapped_column(server_default="09:00")
    closes_at: Mapped[time] = mapped_column(server_default="20:00")
    closed_weekdays: Mapped[list[int]] = mapped_column(ARRAY(SmallInteger), server_default="{}")
    blacklisted_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    blacklist_reason: Mapped[str | None] = mapped_column(String(500))
    # When the manual was last mailed; null: it is due.
    manual_sent_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class ShopService(Base):
    """A service that a shop offers, and its place in that service's order."""

    __tablename__ = "reservations_shop_services"
    __table_args__ = (Index("ix_reservations_shop_services_service_id", "service_id", "position", "shop_id"),)

    shop_id: Mapped[int] = mapped_column(ForeignKey("reservations_shops.id", ondelete="RESTRICT"), primary_key=True)
    service_id: Mapped[int] = mapped_column(
        ForeignKey("reservations_services.id", ondelete="RESTRICT"), primary_key=True
    )
    position: Mapped[int]


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


class Reservation(VersionColumns, Base):
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


class TimelineEvent(Base):
    """An event of the timeline and its effects (`state_machine.events`). Append-only."""

    __tablename__ = "reservations_events"
    __table_args__ = (Index("ix_reservations_events_at", "at"),)

    reservation_id: Mapped[int] = mapped_column(
        ForeignKey("reservations_reservations.id", ondelete="RESTRICT"), primary_key=True
    )
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
