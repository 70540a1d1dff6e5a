"""投入用シート as a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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


def entry(db: Session, by: Actor, request: Request, site: Site, rows: Iterable[Mapping[str, Any]]) -> answers.Spooled:
    """In the order of the carrier's pages."""

    def write(spool: IO[bytes]) -> None:
        cells = ([str(row[name]) for name in ("page", "carrier_field", "title", "value", "words")] for row in rows)
        count = csv_file.write_rows(HEADER, cells, spool)
        about = {"request_id": request.id, "site_id": site.id}
        answers.record_export(db, by, AREA.name, "case", about, Kind.CSV, count)

    title = f"投入用シート_依頼{request.id}_地点{site.id}"
    return answers.spooled(answers.file_name(db, title, Kind.CSV), Kind.CSV, write)
