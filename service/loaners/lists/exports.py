"""Exports whose columns depend on the request, or whose rows cannot be produced by one SELECT, and their two routes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import IO, Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy.orm import Session

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.exports import answers, csv_file
from service.core.exports.cells import Cell
from service.core.exports.declared import ExportList
from service.core.http.problem_responses import refusals
from service.core.purposes import FileKind
from service.core.values.times import TOKYO
from service.loaners.exports import TIMESTAMP_FORMAT
from service.loaners.lists import queries, schemas
from service.loaners.rules import AREA

# Empty: no list here can be exported by one SELECT.
EXPORTS: tuple[ExportList, ...] = ()
_TIME = re.compile(r"[0-9]{4}/[0-9]{2}/[0-9]{2}( [0-9]{2}:[0-9]{2}:[0-9]{2})?")


@dataclass(frozen=True)
class Table:
    """A table to export. `subject` and `filters` go into the audit log."""

    title: str
    subject: str
    header: Sequence[str]
    rows: Iterable[Sequence[Cell]]
    filters: Mapping[str, Any]


def list_table(db: Db, view: schemas.ViewKey, filters: Annotated[schemas.ListFilters, Query()]) -> Table:
    """All rows of a view's list. Raises NotFound, and Invalid for an unknown sort order."""
    query = queries.build_query(db, view, filters)
    audit_filters = {"view": view} | filters.model_dump(mode="json", exclude_defaults=True)
    return Table(query.name, "device", query.columns, queries.rows(db, query), audit_filters)


def as_csv(db: Session, by: Actor, table: Table) -> answers.SpooledResponse:
    """Raises Unavailable while too many exports run."""

    def write(spool: IO[bytes]) -> None:
        _record_export(db, by, table, FileKind.CSV, csv_file.write_rows(table.header, table.rows, spool))

    return answers.spooled(answers.file_name(db, table.title, FileKind.CSV), FileKind.CSV, write)


def as_excel(db: Session, by: Actor, table: Table) -> answers.SpooledResponse:
    """Raises TooLarge, and Unavailable while too many exports run."""
    rows = [[_typed(cell) for cell in row] for row in islice(table.rows, answers.MAX_EXCEL_ROWS + 1)]
    answers.refuse_too_many_rows(len(rows), "条件で絞り込むか、CSVを使ってください。")
    response, count = answers.rows_as_excel(db, table.title, table.header, rows, datetime_form=TIMESTAMP_FORMAT)
    _record_export(db, by, table, FileKind.XLSX, count)
    return response


def _typed(cell: Cell) -> Cell:
    """A date or a time in the document's format (7.1) as such; other cells as they are."""
    if isinstance(cell, str) and (match := _TIME.fullmatch(cell)):
        with suppress(ValueError):
            iso = cell.replace("/", "-")
            return datetime.fromisoformat(iso).replace(tzinfo=TOKYO) if match[1] else date.fromisoformat(iso)
    return cell


def _record_export(db: Session, by: Actor, table: Table, kind: FileKind, count: int) -> None:
    answers.record_export(db, by, AREA.name, table.subject, table.filters, kind, count)


def add_download_routes(
    router: APIRouter, path: str, name: str, permission: str, table: Callable[..., Table], *refused: int
) -> None:
    """Adds `path`.csv and `path`.xlsx. `table` is a dependency: it reads the path's ids and the filters. `refused`: the
    table's own statuses."""
    for kind, suffix, write in ((FileKind.CSV, "csv", as_csv), (FileKind.XLSX, "excel", as_excel)):
        router.add_api_route(
            f"{path}{kind.extensions[0]}",
            _endpoint(permission, table, write),
            name=f"{name}_as_{suffix}",
            response_class=Response,
            responses=answers.download_responses(kind) | refusals(*refused),
        )


def _endpoint(permission: str, table: Callable[..., Table], write: Callable[..., Response]) -> Callable[..., Any]:
    def download(actor: Actor, db: Session, data: Table) -> Response:
        return write(db, actor, data)

    # FastAPI reads the annotations: each table has its own permission and filters.
    download.__annotations__ = {
        "actor": Annotated[Actor, allow(permission)],
        "db": Db,
        "data": Annotated[Table, Depends(table)],
        "return": Response,
    }
    return download
