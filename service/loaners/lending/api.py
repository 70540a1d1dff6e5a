"""Routes of open loans."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.exports import answers
from service.core.http.problem_responses import refusals
from service.core.purposes import FileKind
from service.core.routing.lists import ListRequest, list_request
from service.core.routing.replica_reads import ReadDb
from service.loaners.lending import exports, queries, schemas
from service.loaners.lists.exports import as_csv, as_excel

router = APIRouter(prefix="/api/loaners", tags=["loaners"], responses=refusals(400, 401, 403, 422, 503))


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


@router.get("/loans.csv", response_class=Response, responses=answers.download_responses(FileKind.CSV))
def loans_as_csv(
    actor: Annotated[Actor, allow("loaners:device:read")], db: Db, filters: Annotated[schemas.LoanFilters, Query()]
) -> Response:
    return as_csv(db, actor, exports.loans(db, filters))


@router.get("/loans.xlsx", response_class=Response, responses=answers.download_responses(FileKind.XLSX))
def loans_as_excel(
    actor: Annotated[Actor, allow("loaners:device:read")], db: Db, filters: Annotated[schemas.LoanFilters, Query()]
) -> Response:
    return as_excel(db, actor, exports.loans(db, filters))
