"""投入用シート as a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

from sqlalchemy.orm import Session

from service.agencies.requests.models import Request, Site
from service.agencies.rules import AREA
from service.core.auth import Actor
from service.core.exports import answers, csv_file
from service.core.exports.declared import List
from service.core.purposes import Kind

# None that a statement alone could write.
EXPORTS: tuple[List, ...] = ()
HEADER = ("ページ", "元フィールド", "項目", "値", "選択肢の名前")


def entry_as_csv(
    db: Session, by: Actor, request: Request, site: Site, found: Iterable[Mapping[str, Any]]
) -> answers.Spooled:
    """In the order of the carrier's pages."""

    def write(spool: IO[bytes]) -> None:
        _leave_trail(db, by, request, site, Kind.CSV, csv_file.write_rows(HEADER, _cells(found), spool))

    return answers.spooled(answers.file_name(db, _title(request, site), Kind.CSV), Kind.CSV, write)


def entry_as_excel(
    db: Session, by: Actor, request: Request, site: Site, found: Iterable[Mapping[str, Any]]
) -> answers.Spooled:
    """The same with numbers as they are: opened as CSV, Excel takes zeros and digits from them."""
    answer, count = answers.rows_as_excel(db, _title(request, site), HEADER, _cells(found))
    _leave_trail(db, by, request, site, Kind.XLSX, count)
    return answer


def _title(request: Request, site: Site) -> str:
    return f"投入用シート_依頼{request.id}_地点{site.id}"


def _cells(found: Iterable[Mapping[str, Any]]) -> Iterator[list[str]]:
    for row in found:
        yield [str(row[name]) for name in ("page", "carrier_field", "title", "value", "words")]


def _leave_trail(db: Session, by: Actor, request: Request, site: Site, kind: Kind, rows: int) -> None:
    about = {"request_id": request.id, "site_id": site.id}
    answers.record_export(db, by, AREA.name, "case", about, kind, rows)
