"""Routes of open loans."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.http.problem_responses import refusals
from service.core.routing.replica_reads import ReadDb
from service.loaners.lending import exports, queries, schemas
from service.loaners.lists.exports import add_download_routes

router = APIRouter(prefix="/api/loaners", tags=["loaners"], responses=refusals(400, 401, 403, 422, 503))
add_download_routes(router, "/loans", "loans", "loaners:device:read", exports.loans)


@router.get("/loans")
def loans(
    actor: Annotated[Actor, allow("loaners:device:read")],
    db: ReadDb,
    filters: Annotated[schemas.LoanFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.LoanItem]:
    return queries.loans(db, limit, cursor, filters)


@router.get("/loans/counts")
def counts(actor: Annotated[Actor, allow("loaners:device:read")], db: ReadDb) -> schemas.LoanCounts:
    return queries.counts(db)
