"""The demo's data files, and how rows made of them get into the tables."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from service.core.access.auth import Actor, actor_of
from service.core.access.identity import User, find_user

# A row of a table, or what a file tells of one. A key that is a table has the rows that belong to it.
Row = dict[Any, Any]
FOLDER = Path(__file__).with_name("data")
# Left out of an insert of many rows, each None would make a statement of its own of its row.
_AS_ONE = {"render_nulls": True}


@cache
def load(name: str) -> dict[str, Any]:
    """The contents of `data/<name>.toml`. Not to be changed by callers."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))


def insert_rows(db: Session, table: Any, rows: Sequence[Row]) -> None:
    """All rows in one statement. A column that only some rows have is NULL in the others."""
    if rows:
        db.execute(insert(table), _filled(rows), execution_options=_AS_ONE)


def insert_trees(db: Session, table: Any, rows: Sequence[Row]) -> list[int]:
    """As `insert_rows`, with the rows that belong to them. Returns the ids in the order of the rows."""
    if not rows:
        return []
    statement = insert(table).returning(table.id, sort_by_parameter_order=True)
    ids = list(db.scalars(statement, _filled(rows), execution_options=_AS_ONE))
    for part in dict.fromkeys(name for row in rows for name in row if not isinstance(name, str)):
        [key] = [key.parent.name for key in part.__table__.foreign_keys if key.column.table is table.__table__]
        children = [{key: own_id, **child} for own_id, row in zip(ids, rows, strict=True) for child in row[part]]
        is_leaf = all(isinstance(name, str) for child in children for name in child)
        (insert_rows if is_leaf else insert_trees)(db, part, children)
    return ids


def _filled(rows: Sequence[Row]) -> list[dict[str, Any]]:
    names = dict.fromkeys(name for row in rows for name in row if isinstance(name, str))
    return [{name: row.get(name) for name in names} for row in rows]


def event(at: datetime, kind: str, by: Actor | str, text: str | None = None) -> Row:
    """Of a history; `by` may be the system or a form."""
    if isinstance(by, str):
        return {"at": at, "kind": kind, "by": by, "text": text}
    return {"at": at, "kind": kind, "by": by.name, "user_id": by.user_id, "text": text}


def actor(db: Session, login_id: str) -> Actor:
    """A demo account as the one who acts."""
    user_id = db.query(User.id).where(User.login_id == login_id).scalar()
    user = find_user(db, user_id) if user_id else None
    if user is None:
        raise AssertionError(f"{login_id} is filled before the data of its area")
    return actor_of(user, "-")
