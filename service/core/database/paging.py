"""Keyset pagination: pages with `items`, `total` and a cursor that stays valid while rows are added.

A list is declared once, next to its queries, as a `Listing`: its rows, sort orders and filters. Its statements are also
compiled once, and prepared by the server: to build them for each request costs more than to read the rows.
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
from typing import Annotated, Any, Generic, Literal

from fastapi import Query
from pydantic import BaseModel, TypeAdapter
from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Select,
    String,
    and_,
    any_,
    bindparam,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.orm import InstrumentedAttribute, Session
from typing_extensions import TypeVar

from service.core.database.session import engine, fetch
from service.core.problems import Invalid

Item = TypeVar("Item", default=Any)
Limit = Annotated[int, Query(ge=1, le=100)]
# A cursor can hold a name of 100 characters, each up to eight letters when encoded.
Cursor = Annotated[str | None, Query(max_length=2000)]
STALE_CURSOR = "ページの位置（cursor）が正しくありません。最初のページから開き直してください。"


class Page(BaseModel, Generic[Item]):
    """`total` counts all rows found, not only this page; `next_cursor` is null on the last page."""

    items: list[Item]
    total: int
    next_cursor: str | None = None


def single_page(items: list[Item]) -> Page[Item]:
    """A short list as its only page."""
    return Page(items=items, total=len(items))


def write_cursor(*position: str | int | None) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def stale_cursor() -> Invalid:
    return Invalid(STALE_CURSOR, [("cursor", "前のページの next_cursor をそのまま指定してください。")])


def read_cursor(cursor: str, *kinds: type) -> list[Any]:
    """The position in the cursor. Each part must be of the type in `kinds` (str, int, or object for both and None).

    Raises:
        Invalid: `write_cursor` did not create the cursor for this list.
    """
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        position = None
    if not isinstance(position, list) or len(position) != len(kinds):
        raise stale_cursor()
    if not all(kind is object or type(part) is kind for part, kind in zip(position, kinds, strict=True)):
        raise stale_cursor()
    if not all(_is_storable(part) for part in position):
        raise stale_cursor()
    return position


def _is_storable(part: object) -> bool:
    """Whether PostgreSQL accepts the value: a bigint, or text without NUL and lone surrogates."""
    if isinstance(part, str):
        return "\x00" not in part and not any("\ud800" <= character <= "\udfff" for character in part)
    return part is None or (type(part) is int and abs(part) < 2**63)


Column = ColumnElement[Any] | InstrumentedAttribute[Any]


@dataclass(frozen=True)
class Key:
    """A sort key. Rows without a value come last, in both directions."""

    column: Column
    nullable: bool = False

    def read(self, value: object) -> object:
        """A cursor's value as the column's Python type. Raises ValueError when it has another type."""
        if value is None and self.nullable:
            return None
        python_type = self.column.type.python_type
        if python_type in (datetime, date) and isinstance(value, str):
            return python_type.fromisoformat(value)
        if type(value) is not python_type:
            raise ValueError(value)
        return value

    def write(self, value: Any) -> str | int | None:
        return value.isoformat() if isinstance(value, date) else value


@dataclass(frozen=True)
class Filter:
    """A filter of a list. `condition` builds the condition for the name of its parameter; `value` converts the caller's
    value into that parameter, or into None when the list is not to be filtered."""

    condition: Callable[[str], ColumnElement[bool]]
    value: Callable[[Any], Any] = lambda value: value


def equals(column: Column) -> Filter:
    return Filter(lambda name: column == bindparam(name))


def at_least(column: Column, value: Callable[[Any], Any]) -> Filter:
    return Filter(lambda name: column >= bindparam(name), value)


def before(column: Column, value: Callable[[Any], Any]) -> Filter:
    return Filter(lambda name: column < bindparam(name), value)


def when_true(condition: ColumnElement[bool]) -> Filter:
    """A filter that is on or off: with True, only rows for which the condition holds."""
    return Filter(lambda _: condition, lambda is_on: is_on or None)


def archived_filter(archived_at: Column) -> dict[str, Filter]:
    """For a list of either the archived rows or those in use, never of both; `filter_values` sets which."""
    return {"is_in_use": when_true(archived_at.is_(None)), "is_archived": when_true(archived_at.is_not(None))}


def filter_values(filters: Any) -> dict[str, Any]:
    """The filter values of a list with `archived_filter`, by name: all that are set, without the sort order."""
    values: dict[str, Any] = filters.model_dump(exclude={"archived", "sort"}, exclude_none=True)
    return values | {"is_archived": filters.archived, "is_in_use": not filters.archived}


# Special characters of LIKE, and the escape character.
_LIKE_SPECIAL = re.compile("[%_/]")


def like_pattern(text: str) -> str | None:
    """The pattern of LIKE, with the escape character "/", for values that contain the text; None for an empty text."""
    return "%" + _LIKE_SPECIAL.sub(r"/\g<0>", text) + "%" if text else None


def contains(*columns: Column) -> Filter:
    """Rows with the text in one of the columns, upper or lower case; an empty text does not filter."""

    def condition(name: str) -> ColumnElement[bool]:
        pattern = func.lower(bindparam(name, type_=String))
        return or_(*(func.lower(column).like(pattern, escape="/") for column in columns))

    return Filter(condition, like_pattern)


@dataclass(frozen=True)
class _Statement:
    """Compiled for the driver; `own_values` are the statement's own values, `columns` the names of an item's values."""

    text: str
    own_values: Mapping[str, Any]
    columns: tuple[str, ...]


def _compiled(page: Select[*tuple[Any, ...]], further_columns: int) -> _Statement:
    """Done once for a list's shape: execution by SQLAlchemy costs each request more than the server's work. The driver
    itself converts dates, arrays and all other types that lists show and filter by. The last columns are no item's."""
    compiled = page.compile(dialect=engine().dialect)
    required = {name: None for name, bind in compiled.binds.items() if bind.required}
    expanded = compiled.construct_expanded_state(required)
    return _Statement(expanded.statement, expanded.parameters, tuple(page.selected_columns.keys()[:-further_columns]))


# Where a page begins: at the first row, after a row with a sort value, or after one without.
_Start = Literal["first", "after", "after_none"]


class Listing(Generic[Item]):
    """A list: `rows` without order, filtered by `filters`, sorted by one of `keys`; a minus before its name reverses
    the order. `unique` orders rows with the same sort value.

    A page is found by the sort value and unique id of the row before it, not by an offset. So a row is neither repeated
    nor skipped when others are added or deleted, only when its own sort value changes meanwhile.
    """

    def __init__(
        self,
        rows: Select[*tuple[Any, ...]],
        *,
        model: type[Item] | None = None,
        unique: InstrumentedAttribute[int],
        keys: Mapping[str, Key],
        default: str,
        filters: Mapping[str, Filter] = MappingProxyType({}),
        total: Callable[[frozenset[str]], Select[int] | None] = lambda _: None,
        late: bool = False,
    ) -> None:
        """`model` is that of an item in the API. `total` gives a cheaper statement for the number of rows with these
        filters (it can use their parameters); None: the rows are counted. `late` (late row lookup): the statement finds
        the page's ids first, and the other columns only for these. For a list without an index for its usual order: the
        server would build every row."""
        self.rows, self.unique, self.keys, self.default, self.filters = rows, unique, keys, default, filters
        self.total, self.late = total, late
        self._item_model = TypeAdapter(model) if model else None
        self._page_model = Page[model] if model else None  # type: ignore[valid-type]
        self.names = [*keys, *(f"-{name}" for name in keys)]
        # One for each shape. Parameters are not part of it, except the limit: without it the server would plan for a
        # tenth of the table.
        self._statement = lru_cache(maxsize=256)(self._build)
        self._statement_among = lru_cache(maxsize=16)(self._build_among)

    def read_rows(
        self,
        db: Session,
        limit: int,
        cursor: str | None,
        sort: str | None = None,
        *,
        item: Callable[[dict[str, Any]], Any] | None = None,
        parameters: Mapping[str, Any] = MappingProxyType({}),
        **filters: Any,
    ) -> dict[str, Any]:
        """A page of rows, as a dict with the fields of `Page`, in one statement. Each row is a dict, converted by
        `item` if there is one. `parameters` are those of `rows` itself, such as the user whose rows these are.

        Raises:
            Invalid: an unknown sort or a wrong cursor.
        """
        sort = self.default if sort is None else sort
        key, _ = self._sort_key(sort)
        names, values = self._cut(filters)
        values |= parameters
        start: _Start = "first"
        if cursor:
            value, values["after_unique"] = self._position(key, sort, cursor)
            start = "after_none" if value is None else "after"
            values |= {} if value is None else {"after_key": value}
        statement = self._statement(names, sort, limit, start)
        rows = fetch(db, statement.text, {**statement.own_values, **values})
        last = rows[limit - 1] if len(rows) > limit else None
        # A row's last three values are not part of the item: its position (two) and the total.
        items = [dict(zip(statement.columns, row, strict=False)) for row in rows[:limit]]
        return {
            "items": [item(row) for row in items] if item else items,
            # A page beyond the last row has no row with the total.
            "total": rows[0][-1] if rows else self._count(db, names, values) if cursor else 0,
            "next_cursor": write_cursor(sort, key.write(last[-3]), last[-2]) if last else None,
        }

    def read(
        self,
        db: Session,
        limit: int,
        cursor: str | None,
        sort: str | None = None,
        *,
        item: Callable[[dict[str, Any]], Any] | None = None,
        parameters: Mapping[str, Any] = MappingProxyType({}),
        **filters: Any,
    ) -> Page[Item]:
        """As `read_rows`, with items of the model."""
        assert self._page_model is not None
        return self._page_model.model_validate(
            self.read_rows(db, limit, cursor, sort, item=item, parameters=parameters, **filters)
        )

    def read_one(self, db: Session, row_id: int) -> Item:
        """The item of the row with that unique value, which must exist."""
        assert self._item_model is not None
        row = db.execute(self.rows.where(self.unique == row_id)).one()
        return self._item_model.validate_python(dict(row._mapping))

    def read_among(
        self,
        db: Session,
        unique_values: Sequence[int],
        *,
        parameters: Mapping[str, Any] = MappingProxyType({}),
        **filters: Any,
    ) -> dict[int, dict[str, Any]]:
        """The filtered rows with these unique values, by that value, as `read_rows` gives them to `item`."""
        names, values = self._cut(filters)
        db.flush()
        statement = self._statement_among(names)
        rows = fetch(db, statement.text, {**statement.own_values, **values, **parameters, "among": [*unique_values]})
        return {row[-1]: dict(zip(statement.columns, row, strict=False)) for row in rows}

    def all(
        self, sort: str | None = None, *, parameters: Mapping[str, Any] = MappingProxyType({}), **filters: Any
    ) -> Select[*tuple[Any, ...]]:
        """All filtered rows in that order, for an export. Raises Invalid for an unknown sort."""
        names, values = self._cut(filters)
        order = self._order(*self._sort_key(self.default if sort is None else sort))
        return self._filtered(names).order_by(*order).params(**values, **parameters)

    def count(self, db: Session, *, parameters: Mapping[str, Any] = MappingProxyType({}), **filters: Any) -> int:
        """The number of rows with these filters."""
        names, values = self._cut(filters)
        return self._count(db, names, {**values, **parameters})

    def _cut(self, filters: Mapping[str, Any]) -> tuple[frozenset[str], dict[str, Any]]:
        converted = {name: self.filters[name].value(value) for name, value in filters.items() if value is not None}
        values = {name: value for name, value in converted.items() if value is not None}
        return frozenset(values), values

    def _filtered(self, names: frozenset[str]) -> Select[*tuple[Any, ...]]:
        return self.rows.where(*(self.filters[name].condition(name) for name in sorted(names)))

    def _build(self, names: frozenset[str], sort: str, limit: int, start: _Start) -> _Statement:
        key, descending = self._sort_key(sort)
        filtered, order = self._filtered(names), self._order(key, descending)
        # Read by their place at the end of the row, because a list may have columns of any name.
        last_columns = (
            key.column.label("position_key"),
            self.unique.label("position_unique"),
            self._total(names, filtered).scalar_subquery().label("total_found"),
        )
        page = filtered.with_only_columns(self.unique) if self.late else filtered.add_columns(*last_columns)
        if start != "first":
            page = page.where(self._after(key, descending, start))
        page = page.order_by(*order).limit(literal_column(str(limit + 1)))
        if self.late:
            on_page = self.unique.in_(page.correlate(None))
            page = self.rows.add_columns(*last_columns).where(on_page).order_by(*order)
        return _compiled(page, 3)

    def _build_among(self, names: frozenset[str]) -> _Statement:
        among = self.unique == any_(bindparam("among", type_=ARRAY(BigInteger)))
        return _compiled(self._filtered(names).where(among).add_columns(self.unique.label("position_unique")), 1)

    def _total(self, names: frozenset[str], filtered: Select[*tuple[Any, ...]]) -> Select[int]:
        cheaper = self.total(names)
        return (
            cheaper
            if cheaper is not None
            else select(func.count()).select_from(filtered.with_only_columns(self.unique).subquery())
        )

    def _count(self, db: Session, names: frozenset[str], values: Mapping[str, Any]) -> int:
        return db.execute(self._total(names, self._filtered(names)), values).scalar_one()

    def _sort_key(self, sort: str) -> tuple[Key, bool]:
        if sort not in self.names:
            raise Invalid("この並べ替えは使えません。", [("sort", f"選べる値は {'、'.join(self.names)} です。")])
        return self.keys[sort.removeprefix("-")], sort.startswith("-")

    def _order(self, key: Key, descending: bool) -> list[ColumnElement[Any]]:
        first, last = [column.desc() if descending else column.asc() for column in (key.column, self.unique)]
        return [first.nulls_last() if key.nullable else first, last]

    def _position(self, key: Key, sort: str, cursor: str) -> tuple[object, int]:
        cursor_sort, value, unique = read_cursor(cursor, str, object, int)
        try:
            if cursor_sort == sort:
                return key.read(value), unique
        except ValueError:
            pass
        raise stale_cursor()

    def _after(self, key: Key, descending: bool, start: _Start) -> ColumnElement[bool]:
        unique = bindparam("after_unique", type_=self.unique.type)
        same_key = self.unique < unique if descending else self.unique > unique
        if start == "after_none":
            return and_(key.column.is_(None), same_key)
        # A cursor may hold any bigint, also where the column is a smaller integer.
        kind = BigInteger() if key.column.type.python_type is int else key.column.type
        row_position, start_position = (
            tuple_(key.column, self.unique),
            tuple_(bindparam("after_key", type_=kind), unique),
        )
        beyond = row_position < start_position if descending else row_position > start_position
        return or_(beyond, key.column.is_(None)) if key.nullable else beyond
