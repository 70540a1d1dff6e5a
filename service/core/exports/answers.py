"""A list as a download. It is written to a file of the machine first, as fast as PostgreSQL gives it: a slow line
then holds neither a connection nor a seat, a failure is a refusal in words and not half a file, and the trail knows
how many rows left the house."""

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
from service.core.auth import Actor
from service.core.clock import TOKYO, app_now
from service.core.exports import csv_file
from service.core.exports.declared import List
from service.core.files.names import disposition
from service.core.problems import RESPONSES, TooLarge, Unavailable
from service.core.purposes import Kind
from service.core.seats import leave_seat

# Excel is written by us and not by PostgreSQL: more than this is a task.
MOST_EXCEL_ROWS = 10_000
_CHUNK = 256 * 1024
# Each takes a connection and most of a core.
_writing = threading.BoundedSemaphore(2)
_WAIT_SECONDS = 5


def described(kind: Kind) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`."""
    return {
        200: {"content": {kind.value: {"schema": {"type": "string", "format": "binary"}}}, "description": "The file"},
        413: RESPONSES[413],
    }


def as_csv(db: Session, by: Actor, listed: List, filters: BaseModel) -> Spooled:
    """Raises Unavailable when others are at it."""

    def write(spool: IO[bytes]) -> None:
        leave_trail(db, by, listed, filters, Kind.CSV, csv_file.write(db, by, listed, filters, spool))

    return spooled(file_name(db, listed.title, Kind.CSV), Kind.CSV, write)


def as_excel(db: Session, by: Actor, listed: List, filters: BaseModel) -> Spooled:
    """Raises TooLarge beyond `MOST_EXCEL_ROWS`, and Unavailable when others are at it."""
    from service.core.exports import excel_file  # not at the top: see `imports.records`

    refuse_long(count(db, by, listed, filters), "条件で絞り込むか、「処理状況」で進む出力、またはCSVを使ってください。")
    with _turn():
        book = excel_file.fill(db, by, listed, filters)
    leave_trail(db, by, listed, filters, Kind.XLSX, book.rows)
    return Spooled(tempfile.TemporaryFile(), file_name(db, listed.title, Kind.XLSX), Kind.XLSX, book.save)


def rows_as_excel(db: Session, title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> tuple[Spooled, int]:
    """Rows that we make ourselves, and how many they are: no more than `refuse_long` lets through. Raises Unavailable
    when others are at it."""
    from service.core.exports import excel_file  # not at the top: see `imports.records`

    with _turn():
        book = excel_file.fill_rows(title, header, rows)
    return Spooled(tempfile.TemporaryFile(), file_name(db, title, Kind.XLSX), Kind.XLSX, book.save), book.rows


def refuse_long(total: int, instead: str) -> None:
    """Raises TooLarge, with what to do instead, for more than Excel is made of at once."""
    if total > MOST_EXCEL_ROWS:
        raise TooLarge(f"{total:,}件あります。すぐにExcelで出力できるのは{MOST_EXCEL_ROWS:,}件までです。{instead}")


def spooled(name: str, kind: Kind, write: Callable[[IO[bytes]], None]) -> Spooled:
    """What `write` puts into the file, and its trail, are done before the answer begins. Raises Unavailable."""
    with _turn():
        spool = tempfile.TemporaryFile()  # noqa: SIM115  # closed when it has been sent
        try:
            write(spool)
            return Spooled(spool, name, kind)
        except BaseException:
            spool.close()
            raise


@contextmanager
def _turn() -> Iterator[None]:
    if not _writing.acquire(timeout=_WAIT_SECONDS):
        raise Unavailable("ただいまほかの出力で混み合っています。しばらく待ってから、もう一度お試しください。")
    try:
        yield
    finally:
        _writing.release()


def _in_turn(fill: Callable[[IO[bytes]], None], spool: IO[bytes]) -> None:
    with _turn():
        fill(spool)


def count(db: Session, by: Actor, listed: List, filters: BaseModel) -> int:
    found = listed.statement(by, filters).order_by(None).subquery()
    return db.scalar(select(func.count()).select_from(found)) or 0


def leave_trail(db: Session, by: Actor, listed: List, filters: BaseModel, kind: Kind, rows: int) -> None:
    record_export(db, by, listed.area, listed.key, filters.model_dump(mode="json", exclude_defaults=True), kind, rows)


def record_export(
    db: Session, by: Actor, area: str, subject: str, filters: Mapping[str, Any], kind: Kind, rows: int
) -> None:
    """What left the house, and how much of it."""
    after = {"rows": rows, "format": kind.name.lower(), "filters": dict(filters)}
    audit.record(db, by, "export", area, subject, "-", after=after)


def file_name(db: Session, title: str, kind: Kind) -> str:
    """端末一覧_20261121.csv"""
    return f"{title}_{app_now(db).astimezone(TOKYO):%Y%m%d}{kind.endings[0]}"


class Spooled(Response):
    """Sent from the spool, which is then gone. `finish` fills it in a thread when the transaction is over; a problem it
    raises is answered like any other."""

    def __init__(
        self, spool: IO[bytes], name: str, kind: Kind, finish: Callable[[IO[bytes]], None] | None = None
    ) -> None:
        super().__init__()
        self._spool, self._kind, self._finish = spool, kind, finish
        self._fixed = {
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
                await to_thread.run_sync(_in_turn, self._finish, self._spool)
            leave_seat(scope)
            headers = self._fixed | {"Content-Length": str(self._spool.seek(0, 2))}
            await StreamingResponse(self._chunks(), headers=headers, media_type=self._kind.value)(scope, receive, send)
        finally:
            self._spool.close()
