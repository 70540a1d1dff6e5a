"""Finds an uploaded file (in a transaction) and reads its rows (slow, outside any transaction)."""

from __future__ import annotations

import uuid

from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.files import records as files
from service.core.files.records import File
from service.core.files.storage import storage
from service.core.imports import records
from service.core.imports.kinds import ImportKind
from service.core.imports.sheets import MAX_BYTES, Sheet
from service.core.problems import NotFound, TooLarge


def find_upload(db: Session, by: Actor, kind: ImportKind, file_id: uuid.UUID) -> File:
    """Raises NotFound, also for a file that was uploaded for another purpose, and TooLarge."""
    file = files.get_visible(db, by, file_id)
    if file.purpose != f"{kind.area}.import":
        raise NotFound("取り込むファイルが見つかりません。ファイルを選び直してください。")
    if file.size > MAX_BYTES:
        raise TooLarge("ファイルが大きすぎます。行を分けて取り込んでください。")
    return file


def read(file: File, sheet: str | None) -> Sheet:
    """Raises Unavailable, and as `records.read`. Slow: outside any transaction."""
    return records.read(bytes(storage().open(file.storage_key).read()), sheet)
