"""Routes of the summary, its trend, and the differences between two days."""

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
from service.loaners.lists.exports import as_csv, as_excel
from service.loaners.summaries import exports, queries, schemas

router = APIRouter(prefix="/api/loaners", tags=["loaners"], responses=refusals(400, 401, 403, 422, 503))


@router.get("/summary")
def summary(
    actor: Annotated[Actor, allow("loaners:device:read")],
    db: ReadDb,
    filters: Annotated[schemas.SummaryFilters, Query()],
) -> schemas.Summary:
    """Section 3.1: now, or at the end of a day."""
    return queries.summary(db, filters)


@router.get("/summary.csv", response_class=Response, responses=answers.download_responses(FileKind.CSV))
def summary_as_csv(
    actor: Annotated[Actor, allow("loaners:device:read")],
    db: Db,
    filters: Annotated[schemas.SummaryFilters, Query()],
) -> Response:
    return as_csv(db, actor, exports.summary(db, filters))


@router.get("/summary.xlsx", response_class=Response, responses=answers.download_responses(FileKind.XLSX))
def summary_as_excel(
    actor: Annotated[Actor, allow("loaners:device:read")],
    db: Db,
    filters: Annotated[schemas.SummaryFilters, Query()],
) -> Response:
    return as_excel(db, actor, exports.summary(db, filters))


@router.get("/summary/trend")
def trend(
    actor: Annotated[Actor, allow("loaners:device:read")],
    db: ReadDb,
    filters: Annotated[schemas.TrendFilters, Query()],
) -> schemas.Trend:
    """The last quarter, week by week."""
    return queries.trend(db, filters.jurisdiction)


@router.get("/differences.csv", response_class=Response, responses=answers.download_responses(FileKind.CSV))
def differences_as_csv(
    actor: Annotated[Actor, allow("loaners:device:read")],
    db: Db,
    filters: Annotated[schemas.DifferenceFilters, Query()],
) -> Response:
    return as_csv(db, actor, exports.differences(db, filters))


@router.get("/differences.xlsx", response_class=Response, responses=answers.download_responses(FileKind.XLSX))
def differences_as_excel(
    actor: Annotated[Actor, allow("loaners:device:read")],
    db: Db,
    filters: Annotated[schemas.DifferenceFilters, Query()],
) -> Response:
    return as_excel(db, actor, exports.differences(db, filters))


@router.get("/differences", response_model=Page[schemas.Difference])
async def differences(
    page_request: Annotated[ListRequest, list_request("loaners:device:read", may_lag=True)],
    filters: Annotated[schemas.DifferenceFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await page_request.page(lambda db, actor: queries.differences(db, limit, cursor, filters))
