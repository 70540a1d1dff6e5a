"""Retention: how long rows are stored. A plan is a dry run of the coming night; the nightly run deletes rows and
writes a report.

Three rules decide what is deleted: the policy here, `kept_tables`, which a migration fixes, and the rule that the last
record of a table (of a user's sessions) always stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Date,
    Identity,
    Interval,
    String,
    UniqueConstraint,
    column,
    func,
    literal,
    select,
    table,
    text,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from service.core.areas import RetentionPolicy
from service.core.database.partitions import RetentionTable
from service.core.database.session import Base
from service.core.values.times import TOKYO

# The nightly run begins at 3:00; a missed run is done as soon as the worker is up again.
NIGHT_BEGINS = timedelta(hours=3)
# Rows that one night deletes at most; more rows take several nights.
MAX_ROWS = 200_000


class RetentionRun(Base):
    """The report on one table: what a nightly run, or the sweeps of a day, deleted, from when to when."""

    __tablename__ = "retention_runs"
    __table_args__ = (UniqueConstraint("day", "target"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    # The Tokyo day from 3:00 to 3:00.
    day: Mapped[date] = mapped_column(Date)
    target: Mapped[str] = mapped_column(String(63))
    at: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True), server_default=func.app_now())
    before: Mapped[datetime] = mapped_column(TIMESTAMP(timezone=True))
    rows: Mapped[int] = mapped_column(BigInteger, server_default="0")
    bytes: Mapped[int] = mapped_column(BigInteger, server_default="0")
    oldest: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    newest: Mapped[datetime | None] = mapped_column(TIMESTAMP(timezone=True))
    partitions: Mapped[list[str]] = mapped_column(ARRAY(String(63)), server_default="{}")


@dataclass(frozen=True)
class Removal:
    """What is deleted, or would be. For partitions: from the first start to the last end."""

    before: datetime
    rows: int = 0
    bytes: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    partitions: tuple[str, ...] = ()


def plan(db: Session, policy: RetentionPolicy) -> Removal:
    """A dry run. Rows of partitions are the planner's last estimate; the nightly run counts them exactly."""
    retention_table, before = db.get_one(RetentionTable, policy.table), _policy_cutoff(db, policy)
    return (
        _partitions(db, retention_table, before, exactly=False)
        if retention_table.partitions
        else _rows(db, retention_table, before, dry=True)
    )


def run_if_due(db: Session, policy: RetentionPolicy) -> RetentionRun | None:
    """Deletes the table's old rows for this night; None when that was done already or another process is doing it."""
    if not db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext(f"retention.{policy.table}")))):
        return None
    # No request waits: counting a day of heartbeats may take longer than the usual statement timeout.
    db.execute(text("SET LOCAL statement_timeout = '15min'"))
    before = _policy_cutoff(db, policy)
    night = select(_today(), literal(policy.table), literal(before))
    claim = (
        insert(RetentionRun)
        .from_select(["day", "target", "before"], night)
        .on_conflict_do_nothing(index_elements=["day", "target"])
        .returning(RetentionRun)
    )
    run = db.scalars(claim).one_or_none()
    if run is None:
        return None
    retention_table = db.get_one(RetentionTable, policy.table)
    if retention_table.partitions:
        # Counted before the first one is dropped: dropping locks the table against writers until the end.
        removal = _partitions(db, retention_table, before, exactly=True)
        for part in removal.partitions:
            db.execute(select(func.drop_partition(retention_table.name, part)))
    else:
        removal = _rows(db, retention_table, before, dry=False)
    run.rows, run.bytes, run.oldest, run.newest = removal.rows, removal.bytes, removal.oldest, removal.newest
    run.partitions = list(removal.partitions)
    db.flush()
    return run


def add_to_report(db: Session, target: str, removal: Removal) -> None:
    """Adds deleted rows to the day's report."""
    sizes = {"rows": removal.rows, "bytes": removal.bytes}
    new_run = insert(RetentionRun).values(
        day=_today(), target=target, before=removal.before, oldest=removal.oldest, newest=removal.newest, **sizes
    )
    added = {
        "rows": RetentionRun.rows + new_run.excluded.rows,
        "bytes": RetentionRun.bytes + new_run.excluded.bytes,
        "oldest": func.least(RetentionRun.oldest, new_run.excluded.oldest),
        "newest": func.greatest(RetentionRun.newest, new_run.excluded.newest),
    }
    db.execute(new_run.on_conflict_do_update(index_elements=["day", "target"], set_=added))


def newest_runs(db: Session, limit: int = 60) -> list[RetentionRun]:
    return list(db.scalars(select(RetentionRun).order_by(RetentionRun.id.desc()).limit(limit)))


def _today() -> ColumnElement[date]:
    return func.date(func.timezone(TOKYO.key, func.app_now()) - literal(NIGHT_BEGINS, Interval))


def _policy_cutoff(db: Session, policy: RetentionPolicy) -> datetime:
    """As `cutoff`; in addition, rows stay until they are summed up."""
    summed_up = db.get_one(RetentionTable, policy.table, populate_existing=True).compacted_until
    return min(filter(None, (cutoff(db, policy.keep()), summed_up)))


def cutoff(db: Session, keep: timedelta) -> datetime:
    """Older rows may be deleted. A product clock that was moved ahead does not make rows older."""
    cutoff_at = func.least(func.now(), func.app_now()) - literal(keep, Interval)
    before: datetime = db.execute(select(cutoff_at)).scalar_one()
    return before


def _rows(db: Session, retention_table: RetentionTable, before: datetime, *, dry: bool) -> Removal:
    result = db.execute(
        text("SELECT rows, bytes, oldest, newest FROM expire_rows(:target, :before, :most, :dry)"),
        {"target": retention_table.name, "before": before, "most": MAX_ROWS, "dry": dry},
    ).one()
    return Removal(before, *result)


def _partitions(db: Session, retention_table: RetentionTable, before: datetime, *, exactly: bool) -> Removal:
    old = db.execute(
        text("SELECT part, begins, ends, rows, bytes FROM old_partitions(:target, :before)"),
        {"target": retention_table.name, "before": before},
    ).all()
    while old and not _count_rows_between(db, retention_table, old[-1].ends, None, limit=1):
        old = old[:-1]  # the last record stays, and its partition
    if not old:
        return Removal(before)
    rows = sum(
        _count_rows_between(db, retention_table, part.begins, part.ends) if exactly or part.rows < 0 else part.rows
        for part in old
    )
    return Removal(
        before, rows, sum(part.bytes for part in old), old[0].begins, old[-1].ends, tuple(part.part for part in old)
    )


def _count_rows_between(
    db: Session, retention_table: RetentionTable, begins: datetime, ends: datetime | None, limit: int | None = None
) -> int:
    """The number of rows, counted only up to `limit`."""
    age = column(retention_table.aged_by, TIMESTAMP(timezone=True))
    matching = select(literal(1)).select_from(table(retention_table.name, age)).where(age >= begins).limit(limit)
    if ends is not None:
        matching = matching.where(age < ends)
    return db.scalar(select(func.count()).select_from(matching.subquery())) or 0
