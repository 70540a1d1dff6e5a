"""CSV as Excel in Japan reads it. PostgreSQL writes a list (COPY) and we pass it on: a million rows take about a second
and no memory. Rows that Python code produces are written in the same form."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from enum import Enum
from typing import IO, Any

import psycopg
from sqlalchemy import ColumnElement, Select, Text, and_, case, cast, func, select
from sqlalchemy.dialects.postgresql import psycopg as dialect
from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.exports.cells import (
    AMOUNT,
    CHANGED_LONG,
    CHANGED_SHORT,
    DATE,
    DATETIME,
    FORMULA,
    SHORT,
    SUSPECT,
    Cell,
    in_csv,
    shown_time,
)
from service.core.exports.declared import Column, ExportList, ordered_columns
from service.core.problems import Unavailable
from service.core.values.texts import visible
from service.core.values.times import TOKYO

BOM = b"\xef\xbb\xbf"
_BUFFER = 256 * 1024
# The first bytes of all characters of `texts.HIDDEN` in UTF-8.
_HIDDEN_LEADS = (
    b"\xc2\xad",
    b"\xd8\x9c",
    b"\xe1\x85",
    b"\xe1\xa0\x8e",
    b"\xe2\x80",
    b"\xe2\x81",
    b"\xe3\x85\xa4",
    b"\xef\xbb\xbf",
    b"\xef\xbe\xa0",
    b"\xf3\xa0",
)
_DIALECT = dialect.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's is not typed


def write(db: Session, by: Actor, export_list: ExportList, filters: Any, out: IO[bytes]) -> int:
    """Writes UTF-8 with a BOM, so that Excel recognises it; rows end with CRLF. Returns the number of rows. Raises
    Unavailable when it takes longer than the transaction allows."""
    copy_statement, parameters = _compiled(_formatted(export_list, export_list.statement(by, filters)))
    out.write(BOM + ",".join(_quoted(column.label) for column in export_list.columns).encode() + b"\r\n")
    connection: Any = db.connection().connection.driver_connection
    rows, buffered, size = 0, [], 0
    # A client-side cursor, because COPY takes no server-side parameters.
    with (
        _limited_time(),
        psycopg.ClientCursor(connection) as cursor,
        cursor.copy(f"COPY ({copy_statement}) TO STDOUT (FORMAT csv)", parameters) as copy,
    ):
        # PostgreSQL sends one row at a time, ended by a line feed; line feeds inside cells stay.
        for row in copy:
            buffered.append(bytes(row[:-1]) + b"\r\n")
            size += len(row)
            if size > _BUFFER:
                out.write(_visible(b"".join(buffered)))
                rows, size = rows + len(buffered), 0
                buffered.clear()
    out.write(_visible(b"".join(buffered)))
    return rows + len(buffered)


@contextmanager
def _limited_time() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.QueryCanceled:
        raise Unavailable(
            "時間内に書き出せませんでした。条件で絞り込むか、「処理状況」で進む出力を使ってください。"
        ) from None


def write_rows(
    header: Sequence[str], rows: Iterable[Sequence[Cell]], out: IO[bytes], *, datetime_form: str = DATETIME
) -> int:
    """Writes rows of any source in the form of `write`. Returns the number of rows."""
    count = 0
    text = io.TextIOWrapper(out, "utf-8", newline="")
    try:
        text.write(BOM.decode())
        writer = csv.writer(text)
        writer.writerow([in_csv(cell) for cell in header])
        for row in rows:
            writer.writerow([_text(cell, datetime_form) for cell in row])
            count += 1
    finally:
        text.detach()  # flushes, and leaves the caller's file open
    return count


def _text(cell: Cell, datetime_form: str) -> str:
    if isinstance(cell, str):
        return in_csv(cell)
    if isinstance(cell, date):
        return shown_time(cell, datetime_form if isinstance(cell, datetime) else DATE)
    return "" if cell is None else str(cell)


def _visible(rows: bytes) -> bytes:
    """Whole rows with their hidden characters marked. Reading them all would cost more than writing them."""
    return visible(rows.decode()).encode() if any(lead in rows for lead in _HIDDEN_LEADS) else rows


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(character in text for character in ',"\r\n') else text


def _formatted(export_list: ExportList, statement: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """The columns as texts. The list is a sorted subquery, which PostgreSQL does not merge with its outer query: a
    column that is a query of its own is read once, though its text is made of several parts."""
    sources = [source.label(column.name) for column, source in ordered_columns(export_list, statement)]
    listed = statement.with_only_columns(*sources, maintain_column_froms=True).subquery("listed")
    return select(*(_cell(column, listed.c[column.name]).label(column.label) for column in export_list.columns))


def _compiled(statement: Select[*tuple[Any, ...]]) -> tuple[str, dict[str, Any]]:
    compiled = statement.compile(dialect=_DIALECT).construct_expanded_state()
    values = {name: value.value if isinstance(value, Enum) else value for name, value in compiled.parameters.items()}
    return compiled.statement, values


def _cell(column: Column, source: ColumnElement[Any]) -> ColumnElement[Any]:
    if column.type == "number":
        return source
    if column.type == "date":
        return func.to_char(source, column.form or DATE)
    if column.type == "moment":
        return func.to_char(func.timezone(TOKYO.key, source), column.form or DATETIME)
    if column.type == "choice":
        return case(dict(column.words or {}), value=source, else_=cast(source, Text))
    text = cast(source, Text)
    first = func.left(text, 1)
    is_changed = case(
        (func.length(text) > SHORT, text.regexp_match(f"^(?:{CHANGED_LONG})$")),
        else_=text.regexp_match(f"^(?:{CHANGED_SHORT})$"),
    )
    written = case(
        (is_changed, func.concat('="', text, '"')),
        (and_(first.in_([*FORMULA]), ~text.regexp_match(f"^(?:{AMOUNT})$")), func.concat("'", text)),
        else_=text,
    )
    # IN costs nothing; patterns for every cell would cost as much as the rest of the row.
    return case((first.in_([*SUSPECT]), written), else_=text)
