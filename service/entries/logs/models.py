"""The document's EntryExitLog (5.4.1), and counts of logs by day."""

from __future__ import annotations

import uuid
from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    String,
    func,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, enum_check
from service.entries.rules import EntryType
from service.entries.station.models import Station


class EntryExitLog(Base):
    """One scan. It is never edited; a wrong one is deleted with a reason, and scanned again (SEC-007)."""

    __tablename__ = "entries_logs"
    __table_args__ = (
        enum_check("entry_type", EntryType),
        ForeignKeyConstraint(
            ["parent_id", "nursery_id"], ["entries_parents.id", "entries_parents.nursery_id"], ondelete="RESTRICT"
        ),
        Index("ix_entries_logs_parent_id", "parent_id", "timestamp"),
        Index("ix_entries_logs_nursery_id_timestamp", "nursery_id", "timestamp", "id"),
        Index("ix_entries_logs_timestamp", "timestamp", "id"),
        Index("ix_entries_logs_created_at", "created_at"),
        # Idempotency key: the id that the station gave the scan.
        Index(
            "uq_entries_logs_client_event_id",
            "nursery_id",
            "client_event_id",
            unique=True,
            postgresql_where="client_event_id IS NOT NULL",
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    parent_id: Mapped[int] = mapped_column(BigInteger)
    nursery_id: Mapped[int] = mapped_column(ForeignKey("entries_nurseries.id", ondelete="RESTRICT"))
    entry_type: Mapped[str] = mapped_column(String(10))
    # When it was scanned, by the station's clock.
    timestamp: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    # When it was stored.
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    client_event_id: Mapped[uuid.UUID | None] = mapped_column(UUID(as_uuid=True))
    station_id: Mapped[int | None] = mapped_column(ForeignKey(Station.id, ondelete="RESTRICT"))
    # It waited in the station's offline queue.
    was_offline: Mapped[bool] = mapped_column(server_default="false")
    # Seconds that the station's clock was ahead of the server's when the scan was sent.
    skew_seconds: Mapped[int | None]
    deleted_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    deleted_by: Mapped[str | None] = mapped_column(String(100))
    delete_reason: Mapped[str | None] = mapped_column(String(200))


class LogDay(Base):
    """Number of logs of a nursery on a day in Tokyo. A trigger updates it, so that the total of a long list is fast."""

    __tablename__ = "entries_log_days"

    nursery_id: Mapped[int] = mapped_column(ForeignKey("entries_nurseries.id", ondelete="RESTRICT"), primary_key=True)
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    entry_type: Mapped[str] = mapped_column(String(10), primary_key=True)
    logs: Mapped[int] = mapped_column(server_default="0")
    deleted: Mapped[int] = mapped_column(server_default="0")
