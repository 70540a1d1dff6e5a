"""Lists come in pages: `items`, `total`, and a cursor that stays true while rows are added.

A list is declared once, beside its queries, as a `Listing`: its rows, in which order, cut by what. Its statements are
made once too, and prepared by the server: to build them anew costs more than the rows.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Query
from pydantic import BaseModel
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    and_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from service.core.db import engine, fetch
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


def whole(items: Sequence[Item]) -> dict[str, Any]:
    """All of a short list, as its only page."""
    return {"items": items, "total": len(items)}


def write_cursor(*position: str | int | None) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def read_cursor(cursor: str, *kinds: type) -> list[Any]:
    """The position written in the cursor; each part must be of the kind given (str, int, or either or None: object).

    Raises:
        Invalid: the cursor was not made by `write_cursor` for this list.
    """
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
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


Column = ColumnElement[Any] | InstrumentedAttribute[Any]


@dataclass(frozen=True)
class Key:
    """Something that rows are sorted by. Rows without a value come last, whichever way round."""

    column: Column
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


@dataclass(frozen=True)
class Filter:
    """What a list can be cut by. `condition` is made for the name of the parameter it asks for; `value` makes that
    parameter of what the caller gives, and None when the list is not to be cut."""

    condition: Callable[[str], ColumnElement[bool]]
    value: Callable[[Any], Any] = lambda given: given


def equals(column: Column) -> Filter:
    return Filter(lambda name: column == bindparam(name))


def at_least(column: Column, value: Callable[[Any], Any]) -> Filter:
    return Filter(lambda name: column >= bindparam(name), value)


def before(column: Column, value: Callable[[Any], Any]) -> Filter:
    return Filter(lambda name: column < bindparam(name), value)


def when(condition: ColumnElement[bool]) -> Filter:
    """For what is either asked for or not: given True, only the rows for which it holds."""
    return Filter(lambda _: condition, lambda given: given or None)


def put_away(archived_at: Column) -> dict[str, Filter]:
    """For a list of its archived rows or of those in use, never of both; `cut` says which."""
    return {"is_in_use": when(archived_at.is_(None)), "is_archived": when(archived_at.is_not(None))}


def cut(filters: Any) -> dict[str, Any]:
    """What is asked of a list with `put_away`, by the names of its filters: all that is given but the order."""
    given: dict[str, Any] = filters.model_dump(exclude={"archived", "sort"}, exclude_none=True)
    return given | {"is_archived": filters.archived, "is_in_use": not filters.archived}


# What LIKE understands as more than itself.
_SPECIAL = re.compile("[%_/]")


def contains(*columns: Column) -> Filter:
    """Rows with the text in one of the columns, whichever way it is written; an empty text cuts nothing."""

    def condition(name: str) -> ColumnElement[bool]:
        pattern = func.lower(bindparam(name, type_=String))
        return or_(*(func.lower(column).like(pattern, escape="/") for column in columns))

    return Filter(condition, lambda text: "%" + _SPECIAL.sub(r"/\g<0>", text) + "%" if text else None)


@dataclass(frozen=True)
class _Statement:
    """In the driver's words; `given` are the values that it has in itself, `columns` the names of what is shown."""

    text: str
    given: Mapping[str, Any]
    columns: tuple[str, ...]


def _written(page: Select[*tuple[Any, ...]]) -> _Statement:
    """Once for a list's shape: to have SQLAlchemy execute it costs each request more than the server's work. Dates,
    arrays and whatever else lists hold and are cut by, the driver takes and gives as they are."""
    compiled = page.compile(dialect=engine().dialect)
    asked = {name: None for name, bind in compiled.binds.items() if bind.required}
    whole = compiled.construct_expanded_state(asked)
    return _Statement(whole.statement, whole.parameters, tuple(page.selected_columns.keys()[:-3]))


# Where a page begins: at the first row, after a row with a sort value, after one without.
_Start = Literal["first", "after", "after_none"]


class Listing:
    """A list: `rows` without order, cut by `filters`, sorted by one of `keys`; a minus before its name turns the order
    round. `unique` settles the order of equals.

    Pages are found by the values of the last row seen, its unique id included, and not by counting rows. So a row is
    neither repeated nor skipped because others came or went; only one whose own sort value changes meanwhile can be.
    """

    def __init__(
        self,
        rows: Select[*tuple[Any, ...]],
        *,
        unique: InstrumentedAttribute[int],
        keys: Mapping[str, Key],
        default: str,
        filters: Mapping[str, Filter] = MappingProxyType({}),
        total: Callable[[frozenset[str]], Select[int] | None] = lambda _: None,
        late: bool = False,
    ) -> None:
        """`total` says how many rows there are without counting them, for cuts by these filters (whose parameters it
        may ask for); None: they are counted. `late`: the page's ids are found first, and only for them what else is
        shown. For a list whose usual order no index has: the server would put every row together to show a page."""
        self.rows, self.unique, self.keys, self.default, self.filters = rows, unique, keys, default, filters
        self.total, self.late = total, late
        self.names = [*keys, *(f"-{name}" for name in keys)]
        # One for each shape: parameters are no part of it, but for the limit, without which the server would make a
        # plan for a tenth of the table.
        self._statement = lru_cache(maxsize=256)(self._made)

    def parameter(self) -> Any:
        """For the route: `sort: Annotated[str, LISTING.parameter()] = LISTING.default`."""
        return Query(max_length=50, json_schema_extra={"enum": [*self.names]})

    def page(
        self,
        db: Session,
        limit: int,
        cursor: str | None,
        sort: str | None = None,
        *,
        item: Callable[[dict[str, Any]], Any] | None = None,
        asked: Mapping[str, Any] = MappingProxyType({}),
        **filters: Any,
    ) -> dict[str, Any]:
        """A page as the list form of the API, in one statement. Each row is a dict, or what `item` makes of that.
        `asked` has the parameters that the rows themselves ask for, such as whose they are to be.

        Raises:
            Invalid: a sort or a cursor that is none of ours.
        """
        sort = self.default if sort is None else sort
        key, _ = self._chosen(sort)
        names, values = self._cut(filters)
        values |= asked
        start: _Start = "first"
        if cursor:
            value, values["after_unique"] = self._position(key, sort, cursor)
            start = "after_none" if value is None else "after"
            values |= {} if value is None else {"after_key": value}
        db.flush()
        statement = self._statement(names, sort, limit, start)
        rows = fetch(db, statement.text, {**statement.given, **values})
        last = rows[limit - 1] if len(rows) > limit else None
        # A row's last three are not shown: its position, and the total.
        shown = [dict(zip(statement.columns, row, strict=False)) for row in rows[:limit]]
        return {
            "items": [item(row) for row in shown] if item else shown,
            # A page beyond the last row has no row to say it.
            "total": rows[0][-1] if rows else self._count(db, names, values) if cursor else 0,
            "next_cursor": write_cursor(sort, key.write(last[-3]), last[-2]) if last else None,
        }

    def all(
        self, sort: str | None = None, *, asked: Mapping[str, Any] = MappingProxyType({}), **filters: Any
    ) -> Select[*tuple[Any, ...]]:
        """All of it in that order, for an export. Raises Invalid for a sort that is none of ours."""
        names, values = self._cut(filters)
        order = self._order(*self._chosen(self.default if sort is None else sort))
        return self._found(names).order_by(*order).params(**values, **asked)

    def count(self, db: Session, **filters: Any) -> int:
        """How many rows there are, cut by these."""
        return self._count(db, *self._cut(filters))

    def _cut(self, filters: Mapping[str, Any]) -> tuple[frozenset[str], dict[str, Any]]:
        given = {name: self.filters[name].value(value) for name, value in filters.items() if value is not None}
        values = {name: value for name, value in given.items() if value is not None}
        return frozenset(values), values

    def _found(self, names: frozenset[str]) -> Select[*tuple[Any, ...]]:
        return self.rows.where(*(self.filters[name].condition(name) for name in sorted(names)))

    def _made(self, names: frozenset[str], sort: str, limit: int, start: _Start) -> _Statement:
        key, turned = self._chosen(sort)
        found, order = self._found(names), self._order(key, turned)
        # Their places are known by the place at the end: a list may have columns of any name.
        places = (
            key.column.label("position_key"),
            self.unique.label("position_unique"),
            self._counted(names, found).scalar_subquery().label("total_found"),
        )
        page = found.with_only_columns(self.unique) if self.late else found.add_columns(*places)
        if start != "first":
            page = page.where(self._after(key, turned, start))
        page = page.order_by(*order).limit(literal_column(str(limit + 1)))
        if self.late:
            wanted = self.unique.in_(page.correlate(None))
            page = self.rows.add_columns(*places).where(wanted).order_by(*order)
        return _written(page)

    def _counted(self, names: frozenset[str], found: Select[*tuple[Any, ...]]) -> Select[int]:
        known = self.total(names)
        return (
            known
            if known is not None
            else select(func.count()).select_from(found.with_only_columns(self.unique).subquery())
        )

    def _count(self, db: Session, names: frozenset[str], values: Mapping[str, Any]) -> int:
        return db.execute(self._counted(names, self._found(names)), values).scalar_one()

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

    def _after(self, key: Key, turned: bool, start: _Start) -> ColumnElement[bool]:
        unique = bindparam("after_unique", type_=self.unique.type)
        same = self.unique < unique if turned else self.unique > unique
        if start == "after_none":
            return and_(key.column.is_(None), same)
        # A cursor may hold any bigint, whatever the column can.
        kind = BigInteger() if key.column.type.python_type is int else key.column.type
        here, there = tuple_(key.column, self.unique), tuple_(bindparam("after_key", type_=kind), unique)
        beyond = here < there if turned else here > there
        return or_(beyond, key.column.is_(None)) if key.nullable else beyond
