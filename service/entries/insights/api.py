"""Routes of 在園状況 and 統計."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.exports import answers
from service.core.http.problem_responses import refusals
from service.core.purposes import FileKind
from service.core.routing.replica_reads import ReadDb
from service.core.values.texts import RecordId
from service.entries.exports import csv_export
from service.entries.insights import queries, schemas

Reader = Annotated[Actor, allow("entries:log:read")]
Period = Annotated[schemas.Period, Query()]
CSV_ANSWER = answers.download_responses(FileKind.CSV)
router = APIRouter(prefix="/api/entries", tags=["entries"], responses=refusals(400, 401, 403, 404, 422, 503))


@router.get("/now")
def now(
    actor: Annotated[Actor, allow("entries:attendance:read")],
    db: Db,
    nursery_id: Annotated[RecordId | None, Query()] = None,
) -> schemas.Now:
    """Who is in the building."""
    return queries.children_now(db, actor, nursery_id)


@router.get("/statistics")
def statistics(actor: Reader, db: ReadDb, period: Period) -> schemas.Statistics:
    return queries.statistics(db, actor, period)


@router.get("/statistics/late.csv", response_class=Response, responses=CSV_ANSWER)
def late(actor: Reader, db: Db, period: Period) -> Response:
    rows = queries.statistics(db, actor, period, limit=None).late
    return csv_export(db, actor, "late", schemas.Late.CSV_HEADER, (row.csv_row() for row in rows), query=period)


@router.get("/statistics/unusual.csv", response_class=Response, responses=CSV_ANSWER)
def unusual(actor: Reader, db: Db, period: Period) -> Response:
    rows = queries.statistics(db, actor, period, limit=None).unusual
    return csv_export(db, actor, "unusual", schemas.Odd.CSV_HEADER, (row.csv_row() for row in rows), query=period)
