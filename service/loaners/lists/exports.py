"""Lists as files whose columns are known only with the request, or whose rows no statement alone can write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

from sqlalchemy.orm import Session

from service.core.auth import Actor
from service.core.exports import answers, csv_file
from service.core.exports.declared import List
from service.core.purposes import Kind
from service.loaners.lists import queries, schemas
from service.loaners.rules import AREA

# None that a statement alone could write.
EXPORTS: tuple[List, ...] = ()


@dataclass(frozen=True)
class Table:
    """`subject` and `asked` are what the trail says of it."""

    title: str
    subject: str
    header: Sequence[str]
    rows: Iterable[Sequence[str]]
    asked: Mapping[str, Any]


def listed(db: Session, key: str, filters: schemas.ListFilters) -> Table:
    """A view's list, all of it. Raises NotFound, and Invalid for an order that is none of ours."""
    want = queries.asked(db, key, filters)
    shown = {"view": key} | filters.model_dump(mode="json", exclude_defaults=True)
    return Table(want.name, "device", want.columns, queries.rows(db, want), shown)


def as_csv(db: Session, by: Actor, table: Table) -> answers.Spooled:
    """Raises Unavailable when others are at it."""

    def write(spool: IO[bytes]) -> None:
        _leave_trail(db, by, table, Kind.CSV, csv_file.write_rows(table.header, table.rows, spool))

    return answers.spooled(answers.file_name(db, table.title, Kind.CSV), Kind.CSV, write)


def as_excel(db: Session, by: Actor, table: Table) -> answers.Spooled:
    """Raises TooLarge, and Unavailable when others are at it."""
    rows = list(islice(table.rows, answers.MOST_EXCEL_ROWS + 1))
    answers.refuse_long(len(rows), "条件で絞り込むか、CSVを使ってください。")
    made, count = answers.rows_as_excel(db, table.title, table.header, rows)
    _leave_trail(db, by, table, Kind.XLSX, count)
    return made


def _leave_trail(db: Session, by: Actor, table: Table, kind: Kind, count: int) -> None:
    answers.record_export(db, by, AREA.name, table.subject, table.asked, kind, count)
