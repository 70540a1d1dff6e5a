"""Events of devices, and their projection."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    Date,
    ForeignKey,
    Identity,
    Index,
    SmallInteger,
    String,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP, TSTZRANGE, UUID, Range
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, enum_check
from service.loaners.history.rules import EventKind, Source


class Event(Base):
    """One event. The application only adds events; a wrong one is marked (除去)."""

    __tablename__ = "loaners_events"
    __table_args__ = (
        enum_check("kind", EventKind),
        enum_check("source", Source),
        CheckConstraint("status BETWEEN 1 AND 3", name="status"),
        CheckConstraint("deposit BETWEEN 1 AND 4", name="deposit"),
        CheckConstraint("(kind = 'form') = (form_id IS NOT NULL)", name="form_id"),
        CheckConstraint("kind <> 'form' OR status IS NOT NULL", name="form_status"),
        CheckConstraint("(kind IN ('registered', 'transfer')) = (site_id IS NOT NULL)", name="site_id"),
        CheckConstraint("kind <> 'deposit' OR deposit IS NOT NULL", name="deposit_given"),
        CheckConstraint("caused_by IS NULL OR kind = 'cleared'", name="caused_by"),
        # Section 2.6.2: no deposit is held of a device that is not lent.
        CheckConstraint("kind <> 'form' OR deposit IS NULL OR (status = 1 AND held)", name="deposit_held"),
        Index("ix_loaners_events_device_id", "device_id", "effective_at", "id"),
        Index("ix_loaners_events_effective_at", "effective_at"),
        Index("uq_loaners_events_client_id", "client_id", unique=True, postgresql_where="client_id IS NOT NULL"),
        Index("uq_loaners_events_import_key", "import_key", unique=True, postgresql_where="import_key IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("loaners_devices.id", ondelete="RESTRICT"))
    kind: Mapped[str] = mapped_column(String(10))
    # When it happened, and when it was recorded.
    effective_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    recorded_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    form_id: Mapped[int | None] = mapped_column(ForeignKey("loaners_forms.id", ondelete="RESTRICT"))
    # By question key; dates are 2026-11-21.
    answers: Mapped[dict[str, str]] = mapped_column(JSONB, server_default="{}")
    status: Mapped[int | None] = mapped_column(SmallInteger)
    held: Mapped[bool | None]
    deposit: Mapped[int | None] = mapped_column(SmallInteger)
    borrower: Mapped[str] = mapped_column(String(1000), server_default="")
    loan_number: Mapped[str] = mapped_column(String(1000), server_default="")
    lent_on: Mapped[date | None] = mapped_column(Date)
    due_on: Mapped[date | None] = mapped_column(Date)
    site_id: Mapped[int | None] = mapped_column(ForeignKey("loaners_sites.id", ondelete="RESTRICT"))
    source: Mapped[str] = mapped_column(String(10))
    # Login id, name and mail address of the user at that time.
    actor: Mapped[str] = mapped_column(String(100))
    actor_name: Mapped[str] = mapped_column(String(100), server_default="")
    actor_mail: Mapped[str] = mapped_column(String(254), server_default="")
    reason: Mapped[str] = mapped_column(String(200), server_default="")
    # Of a clearing: the event that caused it. Not a foreign key: that event may be archived.
    caused_by: Mapped[int | None] = mapped_column(BigInteger)
    # Idempotency key: an id that the form's page created.
    client_id: Mapped[uuid.UUID | None] = mapped_column(UUID(as_uuid=True))
    # Idempotency key of an imported row.
    import_key: Mapped[str | None] = mapped_column(String(64))


class Mark(Base):
    """除去: the event does not count any more. It stays, with the user and the reason of the mark."""

    __tablename__ = "loaners_event_marks"

    event_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("loaners_events.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    reason: Mapped[str] = mapped_column(String(200))
    marked_by: Mapped[str] = mapped_column(String(100))
    marked_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())


class Loan(Base):
    """Projection: a period of 1.貸出中 to one borrower. The database refuses two open loans of a device."""

    __tablename__ = "loaners_loans"
    __table_args__ = (Index("uq_loaners_loans_open", "device_id", unique=True, postgresql_where="upper_inf(during)"),)

    device_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("loaners_devices.id", ondelete="RESTRICT"), primary_key=True, autoincrement=False
    )
    during: Mapped[Range[datetime]] = mapped_column(TSTZRANGE, primary_key=True)
    first_event_id: Mapped[int] = mapped_column(BigInteger)
    # Values of the last form that asks for them.
    last_event_id: Mapped[int] = mapped_column(BigInteger)
    borrower: Mapped[str] = mapped_column(String(1000))
    loan_number: Mapped[str] = mapped_column(String(1000))
    lent_on: Mapped[date | None] = mapped_column(Date)
    due_on: Mapped[date | None] = mapped_column(Date)


class ArchivedEvent(Base):
    """An event that was archived after three years (8.2.1), unchanged."""

    __tablename__ = "loaners_archived_events"
    __table_args__ = (
        Index("ix_loaners_archived_events_device_id", "device_id", "effective_at"),
        Index("ix_loaners_archived_events_import_key", "import_key", postgresql_where="import_key IS NOT NULL"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    device_id: Mapped[int] = mapped_column(ForeignKey("loaners_devices.id", ondelete="RESTRICT"))
    effective_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    archived_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    # All columns of the event, and its mark.
    event: Mapped[dict[str, Any]] = mapped_column(JSONB)
    # A separate column: with row-level security, an index on a JSON expression is not used.
    import_key: Mapped[str | None] = mapped_column(String(64), Computed("event ->> 'import_key'", persisted=True))
