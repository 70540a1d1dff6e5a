"""Routes of open loans."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.http.problem_responses import refusals
from service.core.routing.lists import ListRequest, list_request
from service.core.routing.replica_reads import ReadDb
from service.loaners.lending import exports, queries, schemas
from service.loaners.lists.exports import add_download_routes

router = APIRouter(prefix="/api/loaners", tags=["loaners"], responses=refusals(400, 401, 403, 422, 503))
add_download_routes(router, "/loans", "loans", "loaners:device:read", exports.loans)


@router.get("/loans", response_model=Page[schemas.LoanItem])
async def loans(
    page_request: Annotated[ListRequest, list_request("loaners:device:read", may_lag=True)],
    filters: Annotated[schemas.LoanFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await page_request.page(lambda db, actor: queries.loans(db, limit, cursor, filters))


@router.get("/loans/counts")
def counts(actor: Annotated[Actor, allow("loaners:device:read")], db: ReadDb) -> schemas.LoanCounts:
    return queries.counts(db)
