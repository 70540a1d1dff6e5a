"""Open loans."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.exports import answers
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES
from service.core.purposes import Kind
from service.core.reading import ReadDb
from service.loaners.lending import exports, queries, schemas
from service.loaners.lists.exports import as_csv, as_excel

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 422, 503)}
router = APIRouter(prefix="/api/loaners", tags=["loaners"], responses=_REFUSALS)


@router.get("/loans", response_model=Page[schemas.LoanItem])
async def loans(
    asking: Annotated[Asking, lists("loaners:device:read", may_lag=True)],
    filters: Annotated[schemas.LoanFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await asking.page(lambda db, actor: queries.loans(db, limit, cursor, filters))


@router.get("/loans/counts")
def counts(actor: Annotated[Actor, allow("loaners:device:read")], db: ReadDb) -> schemas.LoanCounts:
    return schemas.LoanCounts.model_validate(queries.counts(db))


@router.get("/loans.csv", response_class=Response, responses=answers.described(Kind.CSV))
def loans_as_csv(
    actor: Annotated[Actor, allow("loaners:device:read")], db: Db, filters: Annotated[schemas.LoanFilters, Query()]
) -> Response:
    return as_csv(db, actor, exports.loans(db, filters))


@router.get("/loans.xlsx", response_class=Response, responses=answers.described(Kind.XLSX))
def loans_as_excel(
    actor: Annotated[Actor, allow("loaners:device:read")], db: Db, filters: Annotated[schemas.LoanFilters, Query()]
) -> Response:
    return as_excel(db, actor, exports.loans(db, filters))
