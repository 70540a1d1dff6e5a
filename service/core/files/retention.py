"""Deletes expired files, and orphans: bytes in the storage without a row."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select

from service.core import audit
from service.core.database.clock import real_now
from service.core.database.session import SYSTEM, transaction
from service.core.files import deposit
from service.core.files.records import File
from service.core.files.storage import Stored, storage

BATCH = 500
# Younger bytes may belong to an upload whose row is not written yet.
ORPHAN_AGE = timedelta(days=1)
# More orphans than files are a sign of a wrong or restored database, not of crashes; so many are always accepted.
FEW = 100


@dataclass(frozen=True)
class Report:
    """What was deleted, or with `dry_run` would be. `refused` says why orphans were not deleted."""

    expired: int
    expired_bytes: int
    orphans: int
    orphan_bytes: int
    refused: str = ""


def clean(*, dry_run: bool = False) -> Report:
    """Deletes expired files and orphans, in transactions of its own. Concurrent runs do not interfere."""
    expired, expired_bytes = _expired(dry_run)
    orphans = _orphans()
    with transaction(SYSTEM) as db:
        file_count = db.scalar(select(func.count()).select_from(File)) or 0
    refused = ""
    if len(orphans) > max(FEW, file_count):
        refused = (
            f"{len(orphans)} objects have no row, but only {file_count} files are known: is this the right database?"
        )
    elif not dry_run:
        for orphan in orphans:
            storage().delete(orphan.key)
    return Report(expired, expired_bytes, len(orphans), sum(orphan.size for orphan in orphans), refused)


def _expired(dry_run: bool) -> tuple[int, int]:
    due = File.expires_at <= func.app_now()
    if dry_run:
        with transaction(SYSTEM) as db:
            count, size = db.execute(select(func.count(), func.coalesce(func.sum(File.size), 0)).where(due)).one()
            return count, int(size)
    count = size = 0
    while True:
        with transaction(SYSTEM) as db:
            batch = db.scalars(select(File).where(due).limit(BATCH).with_for_update(skip_locked=True)).all()
            for file in batch:
                audit.record(db, "core.sweep", "delete", file.area, "file", file.id, before={"name": file.name})
                db.delete(file)
        # The row is deleted first, so that no user ever sees a file without bytes.
        for file in batch:
            deposit.discard(file.storage_key)
        count, size = count + len(batch), size + sum(file.size for file in batch)
        if len(batch) < BATCH:
            return count, size


def _orphans() -> list[Stored]:
    orphans: list[Stored] = []
    before = real_now() - ORPHAN_AGE
    for batch in storage().all():
        old = {stored: _id_of(stored.key) for stored in batch if stored.modified_at < before}
        with transaction(SYSTEM) as db:
            ids = [file_id for file_id in old.values() if file_id]
            existing_ids = set(db.scalars(select(File.id).where(File.id.in_(ids))))
        # Objects whose names are not of our form are not deleted.
        orphans += [stored for stored, file_id in old.items() if file_id and file_id not in existing_ids]
    return orphans


def _id_of(key: str) -> uuid.UUID | None:
    name = key.rpartition("/")[2].removesuffix(".thumbnail")
    try:
        return uuid.UUID(hex=name) if len(name) == 32 else None
    except ValueError:
        return None
