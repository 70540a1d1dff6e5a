"""A record by its number, in the words of all areas for one that is not there."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy.orm import Session

from service.core.problems import NotFound

Record = TypeVar("Record")


def by_id(db: Session, kind: type[Record], key: int, noun: str, *, lock: bool = False) -> Record:
    """`noun` is what people call one. Raises NotFound."""
    found = db.get(kind, key, with_for_update=lock, populate_existing=lock)
    if found is None:
        raise NotFound(f"指定された{noun}は見つかりません。一覧を開き直してください。")
    return found
