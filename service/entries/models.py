"""Nurseries, parents and children. The database itself ties parents and children to their nursery: foreign keys between
them include the nursery."""

from __future__ import annotations

import uuid
from datetime import date, datetime, time

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base, RecordColumns, enum_check
from service.entries.rules import EntryType


def of_same_nursery(column: str, table: str) -> ForeignKeyConstraint:
    """The parent or child in this column belongs to the row's nursery."""
    return ForeignKeyConstraint([column, "nursery_id"], [f"{table}.id", f"{table}.nursery_id"], ondelete="RESTRICT")


class Nursery(RecordColumns, Base):
    __tablename__ = "entries_nurseries"
    __table_args__ = (
        CheckConstraint("offline_cap BETWEEN 1 AND 5000", name="offline_cap"),
        CheckConstraint("closes_at > opens_at", name="closes_at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    code: Mapped[str] = mapped_column(String(50), unique=True)
    # The document's EntryExitPassword (5.2): bcrypt, cost 12; None: the station is switched off.
    station_password_hash: Mapped[str | None] = mapped_column(String(100))
    # Clock times in Tokyo. A child that is picked up after closing is late (統計).
    opens_at: Mapped[time] = mapped_column(server_default="07:00")
    closes_at: Mapped[time] = mapped_column(server_default="18:00")
    # How many scans a station stores while it is offline (SEC-010).
    offline_cap: Mapped[int] = mapped_column(SmallInteger, server_default="100")


class Parent(RecordColumns, Base):
    """`id` is what the bar code carries: one to ten digits (SEC-008)."""

    __tablename__ = "entries_parents"
    __table_args__ = (
        CheckConstraint("id BETWEEN 1 AND 9999999999", name="id"),
        UniqueConstraint("id", "nursery_id"),
        Index("ix_entries_parents_nursery_id", "nursery_id", "kana"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    nursery_id: Mapped[int] = mapped_column(ForeignKey("entries_nurseries.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String(100))
    kana: Mapped[str] = mapped_column(String(100), server_default="")
    phone_number: Mapped[str] = mapped_column(String(20), server_default="")
    mail: Mapped[str] = mapped_column(String(254), server_default="")


class Child(RecordColumns, Base):
    __tablename__ = "entries_children"
    __table_args__ = (
        UniqueConstraint("id", "nursery_id"),
        Index("ix_entries_children_nursery_id", "nursery_id", "kana"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    nursery_id: Mapped[int] = mapped_column(ForeignKey("entries_nurseries.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String(100))
    kana: Mapped[str] = mapped_column(String(100), server_default="")
    # 組
    class_name: Mapped[str] = mapped_column(String(50), server_default="")


class Guardianship(Base):
    """A parent who brings and picks up a child. Both belong to the same nursery."""

    __tablename__ = "entries_guardianships"
    __table_args__ = (
        of_same_nursery("parent_id", "entries_parents"),
        of_same_nursery("child_id", "entries_children"),
        Index("ix_entries_guardianships_child_id", "child_id"),
    )

    parent_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    child_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    nursery_id: Mapped[int] = mapped_column(BigInteger)
    # 続柄, such as 母
    relation: Mapped[str] = mapped_column(String(20), server_default="")


class Station(Base):
    """A session of a device at the entrance. Its tokens expire after hours; the session ends by log-out, by staff, or
    when the nursery's password changes. All times are of the real clock, like those of the tokens."""

    __tablename__ = "entries_stations"
    __table_args__ = (
        # One live session for each device of a nursery.
        Index(
            "uq_entries_stations_device", "nursery_id", "device_id", unique=True, postgresql_where="revoked_at IS NULL"
        ),
        CheckConstraint("queue_depth >= 0", name="queue_depth"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    nursery_id: Mapped[int] = mapped_column(ForeignKey("entries_nurseries.id", ondelete="RESTRICT"))
    # Created and stored by the browser. It identifies the device; it is not a credential.
    device_id: Mapped[uuid.UUID] = mapped_column(UUID(as_uuid=True))
    # The name that staff gave the device.
    label: Mapped[str] = mapped_column(String(50), server_default="")
    user_agent: Mapped[str] = mapped_column(String(300), server_default="")
    address: Mapped[str] = mapped_column(String(64), server_default="")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    # When the last token expires; each heartbeat renews it.
    token_expires_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    last_seen_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.now())
    # Reported by the station with its last heartbeat.
    queue_depth: Mapped[int] = mapped_column(server_default="0")
    needs_attention: Mapped[int] = mapped_column(server_default="0")
    oldest_queued_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    # Seconds that its clock is ahead of the server's.
    skew_seconds: Mapped[int | None]
    app_version: Mapped[str] = mapped_column(String(20), server_default="")
    revoked_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    revoked_by: Mapped[str | None] = mapped_column(String(100))


class EntryExitLog(Base):
    """One scan. It is never edited; a wrong one is deleted with a reason, and scanned again (SEC-007)."""

    __tablename__ = "entries_logs"
    __table_args__ = (
        enum_check("entry_type", EntryType),
        of_same_nursery("parent_id", "entries_parents"),
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


class Card(Base):
    """A link opens one parent's card until it is revoked; a new link replaces the old one. Only the SHA-256 of the
    token is stored. The token can be derived again from the SECRET_KEY, `parent_id` and `issued_at`."""

    __tablename__ = "entries_cards"
    __table_args__ = (
        of_same_nursery("parent_id", "entries_parents"),
        Index("uq_entries_cards_parent_id", "parent_id", unique=True, postgresql_where="revoked_at IS NULL"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    parent_id: Mapped[int] = mapped_column(BigInteger)
    nursery_id: Mapped[int] = mapped_column(BigInteger)
    issued_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    issued_by: Mapped[str] = mapped_column(String(100))
    last_opened_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
