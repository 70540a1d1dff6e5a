"""What has to be archived, and what is archived."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.database.paging import Key, Listing, Page, equals
from service.core.database.partitions import compacted_until
from service.core.files.records import File
from service.core.values.times import Month, month_of
from service.entries import queries
from service.entries.archives import schemas
from service.entries.archives.models import Archive
from service.entries.logs.queries import LOGS
from service.entries.logs.schemas import LogRow
from service.entries.models import EntryExitLog, Nursery

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
    model=schemas.ArchiveItem,
    unique=Archive.nursery_id,
    keys={"month": Key(Archive.month)},
    default="-month",
    filters={"nursery_id": equals(Archive.nursery_id)},
)


def archives(
    db: Session, by: Actor, limit: int, cursor: str | None, nursery_id: int | None
) -> Page[schemas.ArchiveItem]:
    """The newest month first."""
    return ARCHIVES.read(db, limit, cursor, nursery_id=queries.nursery_scope(by, nursery_id))


def archived_until(db: Session, *, lock: bool = False) -> datetime:
    """All logs stored before this time are in a file."""
    return compacted_until(db, EntryExitLog.__tablename__, lock=lock)


def next_month(db: Session, newest: Month) -> Month | None:
    """The oldest month with logs that are not archived yet; None when there is none up to `newest`."""
    oldest = db.scalar(select(func.min(EntryExitLog.created_at)).where(EntryExitLog.created_at >= archived_until(db)))
    month = month_of(oldest) if oldest else None
    return month if month is not None and month <= newest else None


def unarchived_nurseries(db: Session, month: Month) -> list[tuple[int, str]]:
    """Nurseries (id, name) with logs of the month that are in no file yet."""
    begins, ends = month.bounds()
    archived = select(Archive.nursery_id).where(Archive.month == month.first)
    with_logs = select(EntryExitLog.nursery_id).where(EntryExitLog.created_at >= begins, EntryExitLog.created_at < ends)
    statement = select(Nursery.id, Nursery.name).where(Nursery.id.in_(with_logs), Nursery.id.not_in(archived))
    return [(nursery_id, name) for nursery_id, name in db.execute(statement.order_by(Nursery.id))]


def month_logs(db: Session, nursery_id: int, month: Month) -> list[LogRow]:
    """All logs, deleted ones included, oldest first."""
    begins, ends = month.bounds()
    statement = LOGS.all("timestamp", nursery_id=nursery_id)
    rows = db.execute(statement.where(EntryExitLog.created_at >= begins, EntryExitLog.created_at < ends))
    return [LogRow.model_validate(row, from_attributes=True) for row in rows]
