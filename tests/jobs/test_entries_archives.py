"""Logs older than a year are archived as a file before they are deleted."""

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
from service.entries.models import EntryExitLog, Nursery, Parent

LONG_AGO = datetime(2025, 1, 10, 0, 15, 32, tzinfo=UTC)


@contextmanager
def flushed_session(db: Session) -> Iterator[Session]:
    yield db
    db.flush()


@pytest.fixture
def nursery(db: Session) -> Nursery:
    nursery = Nursery(name="さくら保育園", code="ABC123")
    db.add(nursery)
    db.flush()
    db.add(Parent(id=123456, nursery_id=nursery.id, name="=山田花子"))
    db.flush()
    return nursery


def store(db: Session, nursery: Nursery, *times: datetime, parent_id: int = 123456) -> None:
    db.execute(
        insert(EntryExitLog),
        [
            {"parent_id": parent_id, "nursery_id": nursery.id, "entry_type": "Entry", "timestamp": at, "created_at": at}
            for at in times
        ],
    )


def logs(db: Session) -> int:
    return db.scalar(select(func.count()).select_from(EntryExitLog)) or 0


def retain(db: Session) -> int:
    [policy] = [policy for policy in retention_policies() if policy.table == "entries_logs"]
    run = retention.run_if_due(db, policy)
    assert run is not None
    return run.rows


def test_a_month_is_archived_as_a_file_before_its_logs_are_deleted(db: Session, nursery: Nursery) -> None:
    store(db, nursery, LONG_AGO, LONG_AGO + timedelta(days=3), datetime.now(UTC) - timedelta(days=30))

    archived = actions.archive_oldest_month(lambda: flushed_session(db))
    second_run = actions.archive_oldest_month(lambda: flushed_session(db))
    [row] = db.execute(select(Archive, File).join(File, File.id == Archive.file_id)).all()
    text = bytes(storage().open(row[1].storage_key).read()).decode("utf-8-sig")
    deleted = retain(db)

    assert (str(archived[0]), archived[1], second_run) == ("2025-01", 2, None)  # type: ignore[index]
    assert (row[0].logs, row[1].tenant_id) == (2, nursery.id)
    assert text.splitlines()[1].split(",")[1:5] == ["2025-01-10 09:15:32", "123456", "'=山田花子", "入"]
    assert (deleted, logs(db)) == (2, 1)
    entry = db.scalars(select(AuditEntry).where(AuditEntry.subject == "archive")).one()
    assert (entry.action, entry.after and entry.after["logs"]) == ("create", 2)


def test_a_nursery_without_logs_in_a_month_gets_no_file_for_it(db: Session, nursery: Nursery) -> None:
    other_nursery = Nursery(name="ひまわり保育園", code="XYZ789")
    db.add(other_nursery)
    db.flush()
    db.add(Parent(id=654321, nursery_id=other_nursery.id, name="鈴木花子"))
    db.flush()
    store(db, nursery, LONG_AGO)
    store(db, other_nursery, LONG_AGO + timedelta(days=31), parent_id=654321)

    assert queries.unarchived_nurseries(db, month_of(LONG_AGO)) == [(nursery.id, nursery.name)]


def test_logs_that_are_not_archived_stay_however_old_they_are(db: Session, nursery: Nursery) -> None:
    store(db, nursery, LONG_AGO)

    deleted = retain(db)

    assert (deleted, logs(db)) == (0, 1)
    assert queries.archived_until(db) < LONG_AGO
