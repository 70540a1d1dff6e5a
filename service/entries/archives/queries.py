"""What is to be put away, and what was."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.orm import Session

from service.core.auth import Actor
from service.core.files.records import File
from service.core.paging import Key, Listing, equals
from service.core.partitions import KeptTable
from service.core.times import Month, month_of
from service.entries import queries
from service.entries.archives.models import Archive
from service.entries.logs.models import EntryExitLog
from service.entries.logs.queries import LOGS
from service.entries.models import Nursery

ARCHIVES = Listing(
    select(
        Archive.nursery_id,
        Nursery.name.label("nursery_name"),
        Archive.month,
        Archive.logs,
        Archive.made_at,
        Archive.file_id,
        File.size,
    )
    .join(Nursery, Nursery.id == Archive.nursery_id)
    .join(File, File.id == Archive.file_id),
    unique=Archive.nursery_id,
    keys={"month": Key(Archive.month)},
    default="-month",
    filters={"nursery_id": equals(Archive.nursery_id)},
)


def archives(db: Session, by: Actor, limit: int, cursor: str | None, nursery_id: int | None) -> dict[str, Any]:
    """The newest month first."""
    return ARCHIVES.page(db, limit, cursor, nursery_id=queries.own(by, nursery_id))


def put_away_until(db: Session, *, lock: bool = False) -> datetime:
    """Everything stored before is in a file."""
    asked = select(KeptTable.compacted_until).where(KeptTable.name == EntryExitLog.__tablename__)
    found = db.scalar(asked.with_for_update() if lock else asked)
    assert found is not None, "the migration sets it"
    return found


def next_month(db: Session, newest: Month) -> Month | None:
    """The oldest month with logs that are not put away yet; None when there is none up to `newest`."""
    oldest = db.scalar(select(func.min(EntryExitLog.created_at)).where(EntryExitLog.created_at >= put_away_until(db)))
    month = month_of(oldest) if oldest else None
    return month if month is not None and month <= newest else None


def nurseries_of(db: Session, month: Month) -> list[tuple[int, str]]:
    """Those with logs of the month that are in no file yet."""
    begins, ends = month.bounds()
    there = select(Archive.nursery_id).where(Archive.month == month.first)
    stored = select(EntryExitLog.nursery_id).where(EntryExitLog.created_at >= begins, EntryExitLog.created_at < ends)
    found = select(Nursery.id, Nursery.name).where(Nursery.id.in_(stored), Nursery.id.not_in(there))
    return [(nursery_id, name) for nursery_id, name in db.execute(found.order_by(Nursery.id))]


def logs_of(db: Session, nursery_id: int, month: Month) -> list[Row[Any]]:
    """All of them, deleted ones included, the oldest first."""
    begins, ends = month.bounds()
    found = LOGS.all("timestamp", nursery_id=nursery_id)
    return list(db.execute(found.where(EntryExitLog.created_at >= begins, EntryExitLog.created_at < ends)))
