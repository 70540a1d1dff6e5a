"""獲得案件一覧's routes: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.agencies.acquired import exports, queries, schemas
from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.core.routing.replica_reads import ReadDb

router = APIRouter(
    prefix="/api/agencies",
    tags=["agencies"],
    responses=refusals(400, 401, 403, 422, 503),
)
routes.add_export_routes(router, "/acquired", exports.ACQUIRED)


@router.get("/acquired")
def acquired(
    actor: Annotated[Actor, allow("agencies:acquired:read")],
    db: ReadDb,
    filters: Annotated[schemas.AcquiredFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.AcquiredItem]:
    """3.3: by corporation, the last entered first."""
    return queries.acquired(db, actor, limit, cursor, filters)


@router.get("/acquired/counts")
def counts(
    actor: Annotated[Actor, allow("agencies:acquired:read")],
    db: ReadDb,
    filters: Annotated[schemas.AcquiredFilters, Query()],
) -> schemas.AcquiredCounts:
    return queries.counts(db, actor, filters)
