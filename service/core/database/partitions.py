"""Tables that are partitioned by Tokyo days or months. The migration that creates one enters it into `kept_tables` and
creates its default partition; one job creates all other partitions."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import CheckConstraint, String, func, select, text, update
from sqlalchemy.dialects.postgresql import INTERVAL, TIMESTAMP
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core.database.session import Base


class RetentionTable(Base):
    """A table with retention: old rows are deleted by the partition or, when `partitions` is null, row by row."""

    __tablename__ = "kept_tables"
    __table_args__ = (CheckConstraint("partitions IN ('day', 'month')", name="partitions"),)

    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    # The column with the row's age.
    aged_by: Mapped[str] = mapped_column(String(63))
    # The database's functions refuse to delete younger rows, for every caller.
    at_least: Mapped[timedelta] = mapped_column(INTERVAL)
    partitions: Mapped[str | None] = mapped_column(String(5))
    # How many days or months are created in advance.
    ahead: Mapped[int] = mapped_column(server_default="0")
    # The newest row of each value of this column always stays.
    last_of: Mapped[str | None] = mapped_column(String(63))
    # For rows that are summed up before they are deleted: until when that is done. Younger rows are not deleted.
    compacted_until: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))


def partitioned_tables(db: Session) -> list[str]:
    return list(
        db.scalars(
            select(RetentionTable.name).where(RetentionTable.partitions.is_not(None)).order_by(RetentionTable.name)
        )
    )


def compacted_until(db: Session, table: str, *, lock: bool = False) -> datetime:
    """Until when the rows of this table are summed up; for tables whose rows are."""
    statement = select(RetentionTable.compacted_until).where(RetentionTable.name == table)
    until = db.execute(statement.with_for_update() if lock else statement).scalar_one()
    assert until is not None  # set by the migration
    return until


def set_compacted_until(db: Session, table: str, until: datetime) -> None:
    """Records that all rows before `until` are summed up: they may be deleted."""
    statement = update(RetentionTable).where(RetentionTable.name == table).values(compacted_until=until)
    db.execute(statement.execution_options(synchronize_session=False))


def create_partitions(db: Session, table: str) -> int:
    """Creates the partitions for now and some time ahead, by the product's clock, and for rows that went into the
    default partition meanwhile. Returns how many it created."""
    # After days without this job the default partition may have millions of rows.
    db.execute(text("SET LOCAL statement_timeout = '15min'"))
    created: int = db.execute(select(func.make_partitions(table))).scalar_one()
    return created
