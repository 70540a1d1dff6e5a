"""What goes away by itself: files that nobody took into use, and bytes that no row speaks of."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select

from service.core import audit
from service.core.clock import real_now
from service.core.db import SYSTEM, transaction
from service.core.files import deposit
from service.core.files.records import File
from service.core.files.storage import Stored, storage

BATCH = 500
# Younger bytes may belong to an upload whose row is about to be written.
ORPHAN_AGE = timedelta(days=1)
# More orphans than files look like the wrong database or a restored one, not like crashes.
FEW = 100


@dataclass(frozen=True)
class Report:
    """What was removed, or with `dry_run` would be. `refused` says why orphans were left alone."""

    expired: int
    expired_bytes: int
    orphans: int
    orphan_bytes: int
    refused: str = ""


def clean(*, dry_run: bool = False) -> Report:
    """Removes expired files and orphaned bytes, in transactions of its own. Run twice at once it does nothing twice."""
    expired, expired_bytes = _expired(dry_run)
    orphans = _orphans()
    with transaction(SYSTEM) as db:
        known = db.scalar(select(func.count()).select_from(File)) or 0
    refused = ""
    if len(orphans) > max(FEW, known):
        refused = f"{len(orphans)} objects have no row, but only {known} files are known: is this the right database?"
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
        # The row first: whatever happens now, nobody is shown a file that is half gone.
        for file in batch:
            deposit.discard(file.storage_key)
        count, size = count + len(batch), size + sum(file.size for file in batch)
        if len(batch) < BATCH:
            return count, size


def _orphans() -> list[Stored]:
    found: list[Stored] = []
    before = real_now() - ORPHAN_AGE
    for listed in storage().all():
        old = {stored: _id_of(stored.key) for stored in listed if stored.modified_at < before}
        with transaction(SYSTEM) as db:
            ids = [file_id for file_id in old.values() if file_id]
            known = set(db.scalars(select(File.id).where(File.id.in_(ids))))
        # What is not named as ours is not ours to delete.
        found += [stored for stored, file_id in old.items() if file_id and file_id not in known]
    return found


def _id_of(key: str) -> uuid.UUID | None:
    name = key.rpartition("/")[2].removesuffix(".thumbnail")
    try:
        return uuid.UUID(hex=name) if len(name) == 32 else None
    except ValueError:
        return None
