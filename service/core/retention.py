"""What is kept how long. A plan says what would go tonight; the nightly run takes it away and writes down what it took.

What may go is decided three times: by the policy here, by `kept_tables`, which a migration fixes, and by the rule that
the last record of a table (of a person's sessions) always stays.
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

from service.core.areas import Policy
from service.core.db import Base
from service.core.partitions import KeptTable
from service.core.times import TOKYO

# The night's work begins at 3:00; what was missed then is done as soon as somebody is there again.
BEGINS = timedelta(hours=3)
# Rows that one night deletes at most; a longer queue takes several nights.
MOST_ROWS = 200_000


class RetentionRun(Base):
    """One table's share of a night, or what a sweep took in a day: what went, from when to when."""

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
class Going:
    """What goes, or would go. For partitions `oldest` and `newest` are where the first begins and the last ends."""

    before: datetime
    rows: int = 0
    bytes: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    partitions: tuple[str, ...] = ()


def plan(db: Session, policy: Policy) -> Going:
    """A dry run. Rows of partitions are as the planner counted them last; the nightly run counts them truly."""
    kept, before = db.get_one(KeptTable, policy.table), _before(db, policy)
    return _partitions(db, kept, before, truly=False) if kept.partitions else _rows(db, kept, before, dry=True)


def run_if_due(db: Session, policy: Policy) -> RetentionRun | None:
    """The table's share of this night, unless it was done already or is being done just now."""
    if not db.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext(f"retention.{policy.table}")))):
        return None
    # Nobody waits for an answer: counting a day of heartbeats may take longer than a request may.
    db.execute(text("SET LOCAL statement_timeout = '15min'"))
    before = _before(db, policy)
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
    kept = db.get_one(KeptTable, policy.table)
    if kept.partitions:
        # Counted before the first one is dropped: dropping locks the table against writers until the end.
        gone = _partitions(db, kept, before, truly=True)
        for part in gone.partitions:
            db.execute(select(func.drop_partition(kept.name, part)))
    else:
        gone = _rows(db, kept, before, dry=False)
    run.rows, run.bytes, run.oldest, run.newest = gone.rows, gone.bytes, gone.oldest, gone.newest
    run.partitions = list(gone.partitions)
    db.flush()
    return run


def report(db: Session, target: str, gone: Going) -> None:
    """Adds what went to the day's report."""
    sizes = {"rows": gone.rows, "bytes": gone.bytes}
    made = insert(RetentionRun).values(
        day=_today(), target=target, before=gone.before, oldest=gone.oldest, newest=gone.newest, **sizes
    )
    added = {
        "rows": RetentionRun.rows + made.excluded.rows,
        "bytes": RetentionRun.bytes + made.excluded.bytes,
        "oldest": func.least(RetentionRun.oldest, made.excluded.oldest),
        "newest": func.greatest(RetentionRun.newest, made.excluded.newest),
    }
    db.execute(made.on_conflict_do_update(index_elements=["day", "target"], set_=added))


def newest_runs(db: Session, limit: int = 60) -> list[RetentionRun]:
    return list(db.scalars(select(RetentionRun).order_by(RetentionRun.id.desc()).limit(limit)))


def _today() -> ColumnElement[date]:
    return func.date(func.timezone(TOKYO.key, func.app_now()) - literal(BEGINS, Interval))


def _before(db: Session, policy: Policy) -> datetime:
    """As `cut`; and nothing goes before it was summed up."""
    summed_up = db.get_one(KeptTable, policy.table, populate_existing=True).compacted_until
    return min(filter(None, (cut(db, policy.keep()), summed_up)))


def cut(db: Session, keep: timedelta) -> datetime:
    """What is older may go. Nothing goes early because a clock was moved ahead."""
    moment = func.least(func.now(), func.app_now()) - literal(keep, Interval)
    before: datetime = db.execute(select(moment)).scalar_one()
    return before


def _rows(db: Session, kept: KeptTable, before: datetime, *, dry: bool) -> Going:
    found = db.execute(
        text("SELECT rows, bytes, oldest, newest FROM expire_rows(:target, :before, :most, :dry)"),
        {"target": kept.name, "before": before, "most": MOST_ROWS, "dry": dry},
    ).one()
    return Going(before, *found)


def _partitions(db: Session, kept: KeptTable, before: datetime, *, truly: bool) -> Going:
    old = db.execute(
        text("SELECT part, begins, ends, rows, bytes FROM old_partitions(:target, :before)"),
        {"target": kept.name, "before": before},
    ).all()
    while old and not _rows_between(db, kept, old[-1].ends, None, limit=1):
        old = old[:-1]  # the last record stays, and the partition it is in
    if not old:
        return Going(before)
    rows = sum(_rows_between(db, kept, part.begins, part.ends) if truly or part.rows < 0 else part.rows for part in old)
    return Going(
        before, rows, sum(part.bytes for part in old), old[0].begins, old[-1].ends, tuple(part.part for part in old)
    )


def _rows_between(
    db: Session, kept: KeptTable, begins: datetime, ends: datetime | None, limit: int | None = None
) -> int:
    """How many rows there are, counted no further than `limit`."""
    age = column(kept.aged_by, TIMESTAMP(timezone=True))
    found = select(literal(1)).select_from(table(kept.name, age)).where(age >= begins).limit(limit)
    if ends is not None:
        found = found.where(age < ends)
    return db.scalar(select(func.count()).select_from(found.subquery())) or 0
