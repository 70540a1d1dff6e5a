"""Small reads that all areas share: a record by its id, and the position of a new record."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.core.problems import NotFound

Record = TypeVar("Record")


def get_or_404(db: Session, kind: type[Record], key: int, noun: str, *, lock: bool = False) -> Record:
    """`noun` names the record in the message. Raises NotFound."""
    record = db.get(kind, key, with_for_update=lock, populate_existing=lock)
    if record is None:
        raise NotFound(f"指定された{noun}は見つかりません。一覧を開き直してください。")
    return record


def last_position(
    db: Session, position: InstrumentedAttribute[int], *conditions: ColumnElement[bool], first: int = 1, limit: int
) -> int:
    """The position of a new record that comes last among the rows that meet the conditions; `limit` at most."""
    highest: int | None = db.scalar(select(func.max(position)).where(*conditions))
    return first if highest is None else min(highest + 1, limit)
