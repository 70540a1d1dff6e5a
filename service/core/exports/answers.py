"""Lists as downloads. A list is first written to a temporary file, as fast as PostgreSQL gives it. Then a slow client
holds neither a connection nor a slot, a failure is a problem response and not half a file, and the audit log has the
number of exported rows."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

from anyio import to_thread
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from service.core import audit
from service.core.access.auth import Actor
from service.core.database.clock import app_now
from service.core.exports import csv_file
from service.core.exports.cells import DATETIME, Cell
from service.core.exports.declared import ExportList
from service.core.files.names import disposition
from service.core.http.concurrency import release_slot
from service.core.http.problem_responses import RESPONSES
from service.core.problems import TooLarge, Unavailable
from service.core.purposes import FileKind
from service.core.values.times import TOKYO

# Excel is written by this process and not by PostgreSQL: longer lists are a background task.
MAX_EXCEL_ROWS = 10_000
_CHUNK = 256 * 1024
# Each takes a connection and most of a core.
_writing = threading.BoundedSemaphore(2)
_WAIT_SECONDS = 5


def download_responses(kind: FileKind) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a download route."""
    return {
        200: {"content": {kind.value: {"schema": {"type": "string", "format": "binary"}}}, "description": "The file"},
        413: RESPONSES[413],
    }


def as_csv(db: Session, by: Actor, export_list: ExportList, filters: BaseModel) -> SpooledResponse:
    """Raises Unavailable when too many exports are running."""

    def write(spool: IO[bytes]) -> None:
        record_list_export(
            db, by, export_list, filters, FileKind.CSV, csv_file.write(db, by, export_list, filters, spool)
        )

    return spooled(file_name(db, export_list.title, FileKind.CSV), FileKind.CSV, write)


def as_excel(db: Session, by: Actor, export_list: ExportList, filters: BaseModel) -> SpooledResponse:
    """Raises TooLarge beyond `MAX_EXCEL_ROWS`, and Unavailable when too many exports are running."""
    from service.core.exports import excel_file  # not at the top: see `imports.records`

    refuse_too_many_rows(
        count(db, by, export_list, filters), "条件で絞り込むか、「処理状況」で進む出力、またはCSVを使ってください。"
    )
    with _limited():
        book = excel_file.fill(db, by, export_list, filters)
    record_list_export(db, by, export_list, filters, FileKind.XLSX, book.rows)
    return SpooledResponse(
        tempfile.TemporaryFile(), file_name(db, export_list.title, FileKind.XLSX), FileKind.XLSX, book.save
    )


def rows_as_excel(
    db: Session, title: str, header: Sequence[str], rows: Iterable[Sequence[Cell]], *, datetime_form: str = DATETIME
) -> tuple[SpooledResponse, int]:
    """Rows that do not come from a list's statement, and their number: at most as many as `refuse_too_many_rows`
    accepts. Raises Unavailable when too many exports are running."""
    from service.core.exports import excel_file  # not at the top: see `imports.records`

    with _limited():
        book = excel_file.fill_rows(title, header, rows, datetime_form=datetime_form)
    return SpooledResponse(
        tempfile.TemporaryFile(), file_name(db, title, FileKind.XLSX), FileKind.XLSX, book.save
    ), book.rows


def refuse_too_many_rows(total: int, instead: str) -> None:
    """Raises TooLarge, with what to do instead, for more rows than an Excel file may have at once."""
    if total > MAX_EXCEL_ROWS:
        raise TooLarge(f"{total:,}件あります。すぐにExcelで出力できるのは{MAX_EXCEL_ROWS:,}件までです。{instead}")


def spooled(name: str, kind: FileKind, write: Callable[[IO[bytes]], None]) -> SpooledResponse:
    """A file by `write`, which also records the export; both are done before the response starts. Raises Unavailable
    when too many exports are running."""
    with _limited():
        spool = tempfile.TemporaryFile()  # noqa: SIM115  # closed when it has been sent
        try:
            write(spool)
            return SpooledResponse(spool, name, kind)
        except BaseException:
            spool.close()
            raise


@contextmanager
def _limited() -> Iterator[None]:
    if not _writing.acquire(timeout=_WAIT_SECONDS):
        raise Unavailable("ただいまほかの出力で混み合っています。しばらく待ってから、もう一度お試しください。")
    try:
        yield
    finally:
        _writing.release()


def _fill_limited(fill: Callable[[IO[bytes]], None], spool: IO[bytes]) -> None:
    with _limited():
        fill(spool)


def count(db: Session, by: Actor, export_list: ExportList, filters: BaseModel) -> int:
    rows = export_list.statement(by, filters).order_by(None).subquery()
    return db.scalar(select(func.count()).select_from(rows)) or 0


def record_list_export(
    db: Session, by: Actor, export_list: ExportList, filters: BaseModel, kind: FileKind, rows: int
) -> None:
    record_export(
        db, by, export_list.area, export_list.key, filters.model_dump(mode="json", exclude_defaults=True), kind, rows
    )


def record_export(
    db: Session, by: Actor, area: str, subject: str, filters: Mapping[str, Any], kind: FileKind, rows: int
) -> None:
    """Records in the audit log what was exported, and how many rows."""
    after = {"rows": rows, "format": kind.name.lower(), "filters": dict(filters)}
    audit.record(db, by, "export", area, subject, "-", after=after)


def file_name(db: Session, title: str, kind: FileKind) -> str:
    """端末一覧_20261121.csv"""
    return f"{title}_{app_now(db).astimezone(TOKYO):%Y%m%d}{kind.extensions[0]}"


class SpooledResponse(Response):
    """A response from a temporary file, which is deleted afterwards. `finish` fills the file in a thread after the
    transaction; a problem that it raises is answered as usual."""

    def __init__(
        self, spool: IO[bytes], name: str, kind: FileKind, finish: Callable[[IO[bytes]], None] | None = None
    ) -> None:
        super().__init__()
        self._spool, self._kind, self._finish = spool, kind, finish
        self._file_headers = {
            "Content-Disposition": disposition(name, inline=False),
            "Cache-Control": "private, no-store",
            "X-Content-Type-Options": "nosniff",
        }

    def _chunks(self) -> Iterator[bytes]:
        self._spool.seek(0)
        while chunk := self._spool.read(_CHUNK):
            yield chunk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if self._finish is not None:
                await to_thread.run_sync(_fill_limited, self._finish, self._spool)
            release_slot(scope)
            headers = self._file_headers | {"Content-Length": str(self._spool.seek(0, 2))}
            await StreamingResponse(self._chunks(), headers=headers, media_type=self._kind.value)(scope, receive, send)
        finally:
            self._spool.close()
