"""Tables cut by Tokyo days or months. Each is named in `kept_tables` by the migration that makes it, with its default
partition; the rest is one job's work."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint, String, func, select, text
from sqlalchemy.dialects.postgresql import INTERVAL, TIMESTAMP
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core.db import Base


class KeptTable(Base):
    """A table that loses old rows, by the partition or, when `partitions` is null, row by row."""

    __tablename__ = "kept_tables"
    __table_args__ = (CheckConstraint("partitions IN ('day', 'month')", name="partitions"),)

    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    # The column that says how old a row is.
    aged_by: Mapped[str] = mapped_column(String(63))
    # No function of the database takes away anything younger, whoever asks.
    at_least: Mapped[timedelta] = mapped_column(INTERVAL)
    partitions: Mapped[str | None] = mapped_column(String(5))
    # How many days or months are made in advance.
    ahead: Mapped[int] = mapped_column(server_default="0")
    # The newest row of each value of this column always stays.
    last_of: Mapped[str | None] = mapped_column(String(63))
    # Where rows are summed up before they go: up to when that is done. Nothing younger goes.
    compacted_until: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


def tables(db: Session) -> list[str]:
    return list(db.scalars(select(KeptTable.name).where(KeptTable.partitions.is_not(None)).order_by(KeptTable.name)))


def make(db: Session, table: str) -> int:
    """Partitions for now and some time ahead, by the product's clock, and for what the default one caught meanwhile;
    how many were made."""
    # What the default partition caught in days without this job may be millions of rows.
    db.execute(text("SET LOCAL statement_timeout = '15min'"))
    made: int = db.execute(select(func.make_partitions(table))).scalar_one()
    return made
