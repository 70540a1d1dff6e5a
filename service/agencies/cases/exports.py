"""投入用シート as a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO

from sqlalchemy.orm import Session

from service.agencies.cases.schemas import EntryItem
from service.agencies.models import Request, Site
from service.agencies.rules import AREA
from service.core.access.auth import Actor
from service.core.exports import answers, csv_file
from service.core.exports.declared import ExportList
from service.core.purposes import FileKind

# None: the sheet cannot be selected by one statement.
EXPORTS: tuple[ExportList, ...] = ()
HEADER = ("ページ", "元フィールド", "項目", "値", "選択肢の名前")


def entry_as_csv(
    db: Session, by: Actor, request: Request, site: Site, rows: Iterable[EntryItem]
) -> answers.SpooledResponse:
    """In the order of the carrier's pages."""

    def write(spool: IO[bytes]) -> None:
        _record_export(db, by, request, site, FileKind.CSV, csv_file.write_rows(HEADER, _rows(rows), spool))

    return answers.spooled(answers.file_name(db, _title(request, site), FileKind.CSV), FileKind.CSV, write)


def entry_as_excel(
    db: Session, by: Actor, request: Request, site: Site, rows: Iterable[EntryItem]
) -> answers.SpooledResponse:
    """The same as a workbook, in which every number is text."""
    answer, count = answers.rows_as_excel(db, _title(request, site), HEADER, _rows(rows))
    _record_export(db, by, request, site, FileKind.XLSX, count)
    return answer


def _title(request: Request, site: Site) -> str:
    return f"投入用シート_依頼{request.id}_地点{site.id}"


def _rows(rows: Iterable[EntryItem]) -> Iterator[list[str]]:
    for row in rows:
        yield [row.page, row.carrier_field, row.title, row.value, row.words]


def _record_export(db: Session, by: Actor, request: Request, site: Site, kind: FileKind, row_count: int) -> None:
    details = {"request_id": request.id, "site_id": site.id}
    answers.record_export(db, by, AREA.name, "case", details, kind, row_count)
