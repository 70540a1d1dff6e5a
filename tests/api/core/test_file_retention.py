"""What is deleted automatically: files that were never used, bytes without a row. And what never is."""

from __future__ import annotations

import io
import os
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from service.core.audit import AuditEntry
from service.core.database.clock import app_clock
from service.core.files import deposit, records, retention
from service.core.files.records import File
from service.core.files.storage import Storage, make_storage
from tests import factories
from tests.pictures import picture


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """A storage of this test's own: the bytes of other tests have no rows here."""
    storage = make_storage(tmp_path.as_uri())
    for module in ("deposit", "retention"):
        monkeypatch.setattr(f"service.core.files.{module}.storage", lambda: storage)
    return storage


@pytest.fixture
def operator(sign_in: Callable[..., TestClient], folder: Storage) -> TestClient:
    return sign_in("olivia", fleet="operator")


def send(client: TestClient) -> str:
    params = {"name": "a.jpg", "purpose": "fleet.terminal_photo"}
    file_id: str = client.put("/api/core/files", params=params, content=picture()).json()["id"]
    return file_id


def keys(storage: Storage) -> list[str]:
    return sorted(stored.key for listed in storage.all() for stored in listed)


def move_clock(db: Session, by: timedelta) -> None:
    db.execute(update(app_clock).values(shift=app_clock.c.shift + by))
    db.commit()


def age(storage: Storage, key: str) -> None:
    assert storage.root is not None
    two_days_ago = time.time() - 2 * 86400
    os.utime(storage.root / key, (two_days_ago, two_days_ago))


def test_an_unused_file_is_deleted_after_a_day(operator: TestClient, db: Session, folder: Storage) -> None:
    terminal = factories.terminal(db)
    unused, used, released = send(operator), send(operator), send(operator)
    for file_id in (used, released):
        operator.post(f"/api/fleet/terminals/{terminal.id}/photos", json={"file_id": file_id})
    move_clock(db, timedelta(hours=23))
    assert retention.clean().expired == 0
    assert operator.delete(f"/api/fleet/terminals/{terminal.id}/photos/{released}").status_code == 204

    move_clock(db, timedelta(hours=2))
    report = retention.clean(dry_run=True)
    assert (report.expired, len(keys(folder))) == (1, 6)
    assert retention.clean().expired == 1
    assert set(db.scalars(select(File.id))) == {uuid.UUID(used), uuid.UUID(released)}
    assert operator.get(f"/api/core/files/{unused}").status_code == 404
    entry = db.scalars(select(AuditEntry).where(AuditEntry.action == "delete")).one()
    assert (entry.actor, entry.subject_id) == ("core.sweep", unused)

    move_clock(db, timedelta(hours=23))
    assert retention.clean().expired == 1
    assert [key.rpartition("/")[2] for key in keys(folder)] == [
        uuid.UUID(used).hex,
        f"{uuid.UUID(used).hex}.thumbnail",
    ]


def test_bytes_without_a_row_are_deleted_when_old_and_foreign_files_never(
    operator: TestClient, db: Session, folder: Storage
) -> None:
    stored_key = db.get_one(File, uuid.UUID(send(operator))).storage_key
    purpose = records.purposes()["fleet.terminal_photo"]
    orphan, fresh = (deposit.key_of(uuid.uuid4(), purpose) for _ in range(2))
    for key in (orphan, fresh, "readme.txt", f"fleet/{'z' * 32}"):
        folder.put(key, io.BytesIO(b"x"))
    for key in (orphan, stored_key, "readme.txt", f"fleet/{'z' * 32}"):
        age(folder, key)

    assert retention.clean(dry_run=True).orphans == 1
    assert orphan in keys(folder)
    report = retention.clean()

    assert (report.orphans, report.orphan_bytes, report.refused) == (1, 1, "")
    assert keys(folder) == sorted([stored_key, f"{stored_key}.thumbnail", fresh, "readme.txt", f"fleet/{'z' * 32}"])


def test_a_database_that_does_not_know_the_files_deletes_none(
    operator: TestClient, folder: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Restored empty, or the database of another installation: the bytes may be all that is left."""
    monkeypatch.setattr(retention, "FEW", 2)
    purpose = records.purposes()["fleet.terminal_photo"]
    for _ in range(3):
        key = deposit.key_of(uuid.uuid4(), purpose)
        folder.put(key, io.BytesIO(b"x"))
        age(folder, key)

    report = retention.clean()

    assert report.orphans == 3
    assert "is this the right database?" in report.refused
    assert len(keys(folder)) == 3


def test_a_crash_between_row_and_bytes_shows_no_user_half_a_file(
    operator: TestClient, db: Session, folder: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id = send(operator)
    move_clock(db, timedelta(hours=25))

    def crash(_: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(deposit, "discard", crash)
        with pytest.raises(KeyboardInterrupt):
            retention.clean()
    assert operator.get(f"/api/core/files/{file_id}").status_code == 404
    for key in keys(folder):
        age(folder, key)

    assert retention.clean().orphans == 2
    assert keys(folder) == []
    assert db.scalar(select(func.count()).select_from(File)) == 0
