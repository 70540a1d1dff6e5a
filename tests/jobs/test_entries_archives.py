"""Logs older than a year go into a file before they go from the list."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from service.core.areas import retention_policies
from service.core.audit import AuditEntry
from service.core.database import retention
from service.core.files.records import File
from service.core.files.storage import storage
from service.core.values.times import month_of
from service.entries.archives import actions, queries
from service.entries.archives.models import Archive
from service.entries.logs.models import EntryExitLog
from service.entries.models import Nursery, Parent

LONG_AGO = datetime(2025, 1, 10, 0, 15, 32, tzinfo=UTC)


@contextmanager
def opened(db: Session) -> Iterator[Session]:
    yield db
    db.flush()


@pytest.fixture
def nursery(db: Session) -> Nursery:
    made = Nursery(name="さくら保育園", code="ABC123")
    db.add(made)
    db.flush()
    db.add(Parent(id=123456, nursery_id=made.id, name="=山田花子"))
    db.flush()
    return made


def store(db: Session, nursery: Nursery, *moments: datetime, parent_id: int = 123456) -> None:
    db.execute(
        insert(EntryExitLog),
        [
            {"parent_id": parent_id, "nursery_id": nursery.id, "entry_type": "Entry", "timestamp": at, "created_at": at}
            for at in moments
        ],
    )


def logs(db: Session) -> int:
    return db.scalar(select(func.count()).select_from(EntryExitLog)) or 0


def retain(db: Session) -> int:
    [policy] = [policy for policy in retention_policies() if policy.table == "entries_logs"]
    run = retention.run_if_due(db, policy)
    assert run is not None
    return run.rows


def test_a_month_is_put_away_as_a_file_and_leaves_the_list_after_that(db: Session, nursery: Nursery) -> None:
    store(db, nursery, LONG_AGO, LONG_AGO + timedelta(days=3), datetime.now(UTC) - timedelta(days=30))

    done = actions.archive_oldest_month(lambda: opened(db))
    again = actions.archive_oldest_month(lambda: opened(db))
    [kept] = db.execute(select(Archive, File).join(File, File.id == Archive.file_id)).all()
    text = bytes(storage().open(kept[1].storage_key).read()).decode("utf-8-sig")
    gone = retain(db)

    assert (str(done[0]), done[1], again) == ("2025-01", 2, None)  # type: ignore[index]
    assert (kept[0].logs, kept[1].tenant_id) == (2, nursery.id)
    assert text.splitlines()[1].split(",")[1:5] == ["2025-01-10 09:15:32", "123456", "'=山田花子", "入"]
    assert (gone, logs(db)) == (2, 1)
    entry = db.scalars(select(AuditEntry).where(AuditEntry.subject == "archive")).one()
    assert (entry.action, entry.after and entry.after["logs"]) == ("create", 2)


def test_who_has_logs_of_another_month_only_gets_no_file_of_this_one(db: Session, nursery: Nursery) -> None:
    later = Nursery(name="ひまわり保育園", code="XYZ789")
    db.add(later)
    db.flush()
    db.add(Parent(id=654321, nursery_id=later.id, name="鈴木花子"))
    db.flush()
    store(db, nursery, LONG_AGO)
    store(db, later, LONG_AGO + timedelta(days=31), parent_id=654321)

    assert queries.unarchived_nurseries(db, month_of(LONG_AGO)) == [(nursery.id, nursery.name)]


def test_what_is_in_no_file_stays_however_old_it_is(db: Session, nursery: Nursery) -> None:
    store(db, nursery, LONG_AGO)

    gone = retain(db)

    assert (gone, logs(db)) == (0, 1)
    assert queries.archived_until(db) < LONG_AGO
