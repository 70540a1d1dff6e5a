"""Lists come in pages: `items`, `total`, and a cursor that stays true while rows are added."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel
from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.core.problems import Invalid

Item = TypeVar("Item")
Limit = Annotated[int, Query(ge=1, le=100)]
# A cursor can hold a name of 100 characters, eight letters each.
Cursor = Annotated[str | None, Query(max_length=2000)]
STALE_CURSOR = "ページの位置（cursor）が正しくありません。最初のページから開き直してください。"


class Page(BaseModel, Generic[Item]):
    """`total` counts all hits, not only this page; `next_cursor` is null on the last page."""

    items: list[Item]
    total: int
    next_cursor: str | None = None


def write_cursor(*position: str | int | None) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def read_cursor(cursor: str, *kinds: type) -> list[Any]:
    """The position written in the cursor; each part must be of the kind given (str, int, or either or None: object).

    Raises:
        Invalid: the cursor was not made by `write_cursor` for this list.
    """
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        position = None
    if not isinstance(position, list) or len(position) != len(kinds):
        raise Invalid(STALE_CURSOR)
    if not all(kind is object or type(part) is kind for part, kind in zip(position, kinds, strict=True)):
        raise Invalid(STALE_CURSOR)
    if not all(_is_stored_somewhere(part) for part in position):
        raise Invalid(STALE_CURSOR)
    return position


def _is_stored_somewhere(part: object) -> bool:
    """Whether PostgreSQL takes it: a bigint, or text without NUL and lone surrogates."""
    if isinstance(part, str):
        return "\x00" not in part and not any("\ud800" <= character <= "\udfff" for character in part)
    return part is None or (type(part) is int and abs(part) < 2**63)


@dataclass(frozen=True)
class Key:
    """Something that rows are sorted by. Rows without a value come last, whichever way round."""

    column: ColumnElement[Any] | InstrumentedAttribute[Any]
    nullable: bool = False

    def read(self, value: object) -> object:
        """The value as it stood in a cursor, in the column's own kind. Raises ValueError when it cannot be one."""
        if value is None and self.nullable:
            return None
        kind = self.column.type.python_type
        if kind in (datetime, date) and isinstance(value, str):
            return kind.fromisoformat(value)
        if type(value) is not kind:
            raise ValueError(value)
        return value

    def write(self, value: Any) -> str | int | None:
        return value.isoformat() if isinstance(value, date) else value


class Sorts:
    """The ways in which a list can be sorted: a key's name, or the name after a minus for the other way round.

    Pages are found by the values of the last row seen, its unique id included, and not by counting rows. So a row is
    neither repeated nor skipped because others came or went; only one whose own sort value changes meanwhile can be.
    """

    def __init__(self, unique: InstrumentedAttribute[int], keys: Mapping[str, Key], default: str) -> None:
        self.unique, self.keys, self.default = unique, keys, default
        self.names = [*keys, *(f"-{name}" for name in keys)]

    def parameter(self) -> Any:
        """For the route: `sort: Annotated[str, SORTS.parameter()] = SORTS.default`."""
        return Query(max_length=50, json_schema_extra={"enum": [*self.names]})

    def page(
        self, db: Session, found: Select[*tuple[Any, ...]], sort: str, limit: int, cursor: str | None
    ) -> dict[str, Any]:
        """A page of `found` as the list form of the API. Raises Invalid for a sort or a cursor that is none of ours."""
        key, turned = self._chosen(sort)
        total = db.scalar(select(func.count()).select_from(found.order_by(None).subquery()))
        if cursor:
            found = found.where(self._after(key, turned, *self._position(key, sort, cursor)))
        columns, order = (key.column, self.unique), self._order(key, turned)
        labelled = [column.label(f"position_{place}") for place, column in enumerate(columns)]
        rows = db.execute(found.add_columns(*labelled).order_by(*order).limit(limit + 1)).mappings().all()
        last = rows[limit - 1] if len(rows) > limit else None
        return {
            "items": [dict(row) for row in rows[:limit]],
            "total": total,
            "next_cursor": write_cursor(sort, key.write(last["position_0"]), last["position_1"]) if last else None,
        }

    def ordered(self, found: Select[*tuple[Any, ...]], sort: str) -> Select[*tuple[Any, ...]]:
        """All of `found` in that order, for an export. Raises Invalid for a sort that is none of ours."""
        return found.order_by(*self._order(*self._chosen(sort)))

    def _chosen(self, sort: str) -> tuple[Key, bool]:
        if sort not in self.names:
            raise Invalid("この並べ替えは使えません。", [("sort", f"選べる値は {'、'.join(self.names)} です。")])
        return self.keys[sort.removeprefix("-")], sort.startswith("-")

    def _order(self, key: Key, turned: bool) -> list[ColumnElement[Any]]:
        first, last = [column.desc() if turned else column.asc() for column in (key.column, self.unique)]
        return [first.nulls_last() if key.nullable else first, last]

    def _position(self, key: Key, sort: str, cursor: str) -> tuple[object, int]:
        made_for, value, unique = read_cursor(cursor, str, object, int)
        try:
            if made_for == sort:
                return key.read(value), unique
        except ValueError:
            pass
        raise Invalid(STALE_CURSOR)

    def _after(self, key: Key, turned: bool, value: object, unique: int) -> ColumnElement[bool]:
        same = self.unique < unique if turned else self.unique > unique
        if value is None:
            return and_(key.column.is_(None), same)
        here, there = tuple_(key.column, self.unique), tuple_(literal(value, key.column.type), literal(unique))
        beyond = here < there if turned else here > there
        return or_(beyond, key.column.is_(None)) if key.nullable else beyond
