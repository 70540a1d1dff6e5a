"""Routes of 在園状況 and 統計."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.exports import answers
from service.core.http.problem_responses import RESPONSES
from service.core.purposes import FileKind
from service.core.routing.replica_reads import ReadDb
from service.entries.exports import csv_export
from service.entries.insights import queries, rules, schemas

router = APIRouter(
    prefix="/api/entries",
    tags=["entries"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 404, 422, 503)},
)


@router.get("/now")
def now(
    actor: Annotated[Actor, allow("entries:attendance:read")],
    db: Db,
    filters: Annotated[schemas.NowFilters, Query()],
) -> schemas.Now:
    """Who is in the building."""
    return schemas.Now.model_validate(queries.children_now(db, actor, filters.nursery_id))


@router.get("/statistics")
def statistics(
    actor: Annotated[Actor, allow("entries:log:read")], db: ReadDb, period: Annotated[schemas.Period, Query()]
) -> schemas.Statistics:
    return schemas.Statistics.model_validate(queries.statistics(db, actor, period))


@router.get("/statistics/late.csv", response_class=Response, responses=answers.download_responses(FileKind.CSV))
def late(
    actor: Annotated[Actor, allow("entries:log:read")], db: Db, period: Annotated[schemas.Period, Query()]
) -> Response:
    rows = rules.late_rows(queries.statistics(db, actor, period, limit=None)["late"])
    return csv_export(db, actor, "late", rules.LATE_TITLE, rules.LATE_HEADER, rows, period)


@router.get("/statistics/unusual.csv", response_class=Response, responses=answers.download_responses(FileKind.CSV))
def unusual(
    actor: Annotated[Actor, allow("entries:log:read")], db: Db, period: Annotated[schemas.Period, Query()]
) -> Response:
    rows = rules.unusual_rows(queries.statistics(db, actor, period, limit=None)["unusual"])
    return csv_export(db, actor, "unusual", rules.UNUSUAL_TITLE, rules.UNUSUAL_HEADER, rows, period)
