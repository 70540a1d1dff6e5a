"""Months of logs are put away; retention takes them from the list afterwards, and nothing that is in no file."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from service.core import audit
from service.core.clock import app_now
from service.core.exports import csv_file
from service.core.files import deposit, records
from service.core.partitions import KeptTable
from service.core.purposes import Kind
from service.core.times import Month
from service.entries.archives import queries, rules
from service.entries.archives.models import Archive
from service.entries.logs.models import EntryExitLog
from service.entries.rules import ARCHIVE, AREA

Opened = Callable[[], AbstractContextManager[Session]]
BY = "entries.archive"


def put_away(opened: Opened) -> tuple[Month, int] | None:
    """The oldest month that is old enough, each nursery's in a file of its own: the month, and how many logs. None
    when nothing is to do. Files are made and stored outside any transaction."""
    with opened() as db:
        month = queries.next_month(db, rules.newest_month(app_now(db)))
        nurseries = queries.nurseries_of(db, month) if month else []
    if month is None:
        return None
    logs = sum(_put_away(opened, nursery_id, name, month) for nursery_id, name in nurseries)
    with opened() as db:
        _close(db, month)
    return month, logs


def _put_away(opened: Opened, nursery_id: int, name: str, month: Month) -> int:
    with opened() as db:
        logs = queries.logs_of(db, nursery_id, month)
    spool = io.BytesIO()
    csv_file.write_rows(rules.HEADER, rules.rows(logs), spool)
    made = deposit.make(spool, ARCHIVE, rules.title(name, month), made_as=Kind.CSV)
    with opened() as db:
        # Of two at once the second finds it there.
        db.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"{BY} {nursery_id} {month}"))))
        if db.get(Archive, (nursery_id, month.first)) is None:
            file = records.add(db, BY, made)
            file.tenant_id = nursery_id
            records.take(db, file)
            db.flush()
            db.add(Archive(nursery_id=nursery_id, month=month.first, file_id=file.id, logs=len(logs)))
            after = {"month": str(month), "logs": len(logs), "nursery_id": nursery_id}
            audit.record(db, BY, "create", AREA.name, "archive", f"{nursery_id}-{month}", after=after)
            return len(logs)
    deposit.discard(made.storage_key)
    return 0


def _close(db: Session, month: Month) -> None:
    """From here on retention may go up to the month's end. Nothing is stored into a month that is over."""
    if queries.put_away_until(db, lock=True) < month.bounds()[1] and not queries.nurseries_of(db, month):
        done = update(KeptTable).where(KeptTable.name == EntryExitLog.__tablename__)
        db.execute(done.values(compacted_until=month.bounds()[1]))
