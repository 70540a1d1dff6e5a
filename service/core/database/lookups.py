"""Reads a record by its id, with the same message in all areas when there is none."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy.orm import Session

from service.core.problems import NotFound

Record = TypeVar("Record")


def get_or_404(db: Session, kind: type[Record], key: int, noun: str, *, lock: bool = False) -> Record:
    """`noun` names the record in the message. Raises NotFound."""
    record = db.get(kind, key, with_for_update=lock, populate_existing=lock)
    if record is None:
        raise NotFound(f"指定された{noun}は見つかりません。一覧を開き直してください。")
    return record
