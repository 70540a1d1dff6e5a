"""A view's list as a file: its columns are known only with the request, so the rows are written here."""

from __future__ import annotations

from typing import IO

from sqlalchemy.orm import Session

from service.core.auth import Actor
from service.core.exports import answers, csv_file
from service.core.exports.declared import List
from service.core.purposes import Kind
from service.loaners.rules import AREA
from service.loaners.views import queries, schemas

# None that a statement alone could write.
EXPORTS: tuple[List, ...] = ()


def as_csv(db: Session, by: Actor, key: str, filters: schemas.ListFilters) -> answers.Spooled:
    """Raises NotFound, Invalid for an order that is none of ours, Unavailable when others are at it."""
    want = queries.asked(db, key, filters)

    def write(spool: IO[bytes]) -> None:
        count = csv_file.write_rows(want.columns, queries.rows(db, want), spool)
        _leave_trail(db, by, want, Kind.CSV, count)

    return answers.spooled(answers.file_name(db, want.name, Kind.CSV), Kind.CSV, write)


def as_excel(db: Session, by: Actor, key: str, filters: schemas.ListFilters) -> answers.Spooled:
    """Raises as `as_csv`, and TooLarge."""
    want = queries.asked(db, key, filters)
    answers.refuse_long(queries.count(db, want), "条件で絞り込むか、CSVを使ってください。")
    made, count = answers.rows_as_excel(db, want.name, want.columns, queries.rows(db, want))
    _leave_trail(db, by, want, Kind.XLSX, count)
    return made


def _leave_trail(db: Session, by: Actor, want: queries.Asked, kind: Kind, count: int) -> None:
    shown = want.filters.model_dump(mode="json", exclude_defaults=True)
    answers.record_export(db, by, AREA.name, "device", {"view": want.key} | shown, kind, count)
