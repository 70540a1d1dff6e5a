"""The routes of the figures and of the dashboard: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.agencies.figures import exports, queries, schemas
from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.core.routing.replica_reads import ReadDb

# Each page counts everything again, so that one page may have all agencies.
Agencies = Annotated[int, Query(ge=1, le=1000)]
router = APIRouter(
    prefix="/api/agencies",
    tags=["agencies"],
    responses=refusals(400, 401, 403, 422, 503),
)
routes.add_export_routes(router, "/figures", exports.FIGURES)


@router.get("/figures")
def figures(
    actor: Annotated[Actor, allow("agencies:figure:read")],
    db: ReadDb,
    filters: Annotated[schemas.FigureFilters, Query()],
    limit: Agencies = 50,
    cursor: Cursor = None,
) -> schemas.FiguresPage:
    """3.6: a row for each agency, and the sum of all."""
    return queries.figures(db, limit, cursor, filters)


@router.get("/figures/series")
def series(
    actor: Annotated[Actor, allow("agencies:figure:read")],
    db: ReadDb,
    filters: Annotated[schemas.SeriesFilters, Query()],
) -> schemas.Series:
    """Requests and acquired sites by month or by day, the oldest first."""
    return queries.series(db, filters)


@router.get("/dashboard")
def dashboard(actor: Annotated[Actor, allow("agencies:dashboard:read")], db: ReadDb) -> schemas.Dashboard:
    """What waits, and the numbers of this month."""
    return queries.dashboard(db)
