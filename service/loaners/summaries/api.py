"""Routes of the summary, its trend, and the differences between two days."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.http.problem_responses import refusals
from service.core.routing.replica_reads import ReadDb
from service.loaners.lists.exports import add_download_routes
from service.loaners.summaries import exports, queries, schemas

router = APIRouter(prefix="/api/loaners", tags=["loaners"], responses=refusals(400, 401, 403, 422, 503))
add_download_routes(router, "/summary", "summary", "loaners:device:read", exports.summary)
add_download_routes(router, "/differences", "differences", "loaners:device:read", exports.differences)


@router.get("/summary")
def summary(
    actor: Annotated[Actor, allow("loaners:device:read")],
    db: ReadDb,
    filters: Annotated[schemas.SummaryFilters, Query()],
) -> schemas.Summary:
    """Section 3.1: now, or at the end of a day."""
    return queries.summary(db, filters)


@router.get("/summary/trend")
def trend(
    actor: Annotated[Actor, allow("loaners:device:read")],
    db: ReadDb,
    filters: Annotated[schemas.TrendFilters, Query()],
) -> schemas.Trend:
    """The last quarter, week by week."""
    return queries.trend(db, filters.jurisdiction)


@router.get("/differences")
def differences(
    actor: Annotated[Actor, allow("loaners:device:read")],
    db: ReadDb,
    filters: Annotated[schemas.DifferenceFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.Difference]:
    return queries.differences(db, limit, cursor, filters)
