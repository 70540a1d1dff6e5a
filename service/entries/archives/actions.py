"""Archives old months of logs as files. Retention deletes only logs that are in a file."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.core import audit
from service.core.database.clock import app_now
from service.core.database.partitions import set_compacted_until
from service.core.exports import csv_file
from service.core.files import deposit, records
from service.core.purposes import FileKind
from service.core.values.times import Month
from service.entries.archives import queries, rules
from service.entries.archives.models import Archive
from service.entries.models import EntryExitLog
from service.entries.rules import ARCHIVE, AREA

OpenSession = Callable[[], AbstractContextManager[Session]]
ACTOR = "entries.archive"


def archive_oldest_month(open_session: OpenSession) -> tuple[Month, int] | None:
    """Archives the oldest month that is old enough, one file for each nursery. Returns the month and the number of
    logs; None when there is nothing to do. Files are created and stored outside of any transaction."""
    with open_session() as db:
        month = queries.next_month(db, rules.newest_month(app_now(db)))
        nurseries = queries.unarchived_nurseries(db, month) if month else []
    if month is None:
        return None
    logs = sum(_archive_nursery(open_session, nursery_id, name, month) for nursery_id, name in nurseries)
    with open_session() as db:
        _release_month(db, month)
    return month, logs


def _archive_nursery(open_session: OpenSession, nursery_id: int, name: str, month: Month) -> int:
    with open_session() as db:
        logs = queries.month_logs(db, nursery_id, month)
    spool = io.BytesIO()
    csv_file.write_rows(rules.HEADER, rules.csv_rows(logs), spool)
    stored = deposit.store(spool, ARCHIVE, rules.file_title(name, month), made_as=FileKind.CSV)
    with open_session() as db:
        # Of two concurrent jobs, the second one finds the archive of the first.
        db.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"{ACTOR} {nursery_id} {month}"))))
        if db.get(Archive, (nursery_id, month.first)) is None:
            file = records.add(db, ACTOR, stored, is_audited=False)
            file.tenant_id = nursery_id
            records.attach_generated(db, file)
            db.flush()
            db.add(Archive(nursery_id=nursery_id, month=month.first, file_id=file.id, logs=len(logs)))
            after = {"month": str(month), "logs": len(logs), "nursery_id": nursery_id}
            audit.record(db, ACTOR, "create", AREA.name, "archive", f"{nursery_id}-{month}", after=after)
            return len(logs)
    deposit.discard(stored.storage_key)
    return 0


def _release_month(db: Session, month: Month) -> None:
    """Lets retention delete up to the end of the month. No log is added to a month that is over."""
    if queries.archived_until(db, lock=True) < month.bounds()[1] and not queries.unarchived_nurseries(db, month):
        set_compacted_until(db, EntryExitLog.__tablename__, month.bounds()[1])
