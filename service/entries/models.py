"""Nurseries, parents and children. The database itself ties parents and children to their nursery: foreign keys between
them include the nursery."""

from __future__ import annotations

from datetime import datetime, time

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from service.core.database.session import Base


class Nursery(Base):
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
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    archived_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class Parent(Base):
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
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    archived_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class Child(Base):
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
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    updated_at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    archived_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


class Guardianship(Base):
    """A parent who brings and picks up a child. Both belong to the same nursery."""

    __tablename__ = "entries_guardianships"
    __table_args__ = (
        ForeignKeyConstraint(
            ["parent_id", "nursery_id"], ["entries_parents.id", "entries_parents.nursery_id"], ondelete="RESTRICT"
        ),
        ForeignKeyConstraint(
            ["child_id", "nursery_id"], ["entries_children.id", "entries_children.nursery_id"], ondelete="RESTRICT"
        ),
        Index("ix_entries_guardianships_child_id", "child_id"),
    )

    parent_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    child_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    nursery_id: Mapped[int] = mapped_column(BigInteger)
    # 続柄, such as 母
    relation: Mapped[str] = mapped_column(String(20), server_default="")
