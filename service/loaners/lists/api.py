"""Routes of device lists."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit
from service.core.database.session import Db
from service.core.exports import answers
from service.core.http.problem_responses import refusals
from service.core.purposes import FileKind
from service.core.routing.lists import ListRequest, list_request
from service.core.values.texts import NO_NUL
from service.loaners.lists import exports, queries, schemas

ViewKey = Annotated[str, Path(max_length=30, pattern=NO_NUL)]
router = APIRouter(prefix="/api/loaners", tags=["loaners"], responses=refusals(400, 401, 403, 422, 503))


@router.get("/options")
def options(actor: Annotated[Actor, allow("loaners:view:read")], db: Db) -> schemas.Options:
    """Values for the filters of lists."""
    return queries.options(db)


@router.get(
    "/lists/{view}.csv", response_class=Response, responses=answers.download_responses(FileKind.CSV) | refusals(404)
)
def list_as_csv(
    actor: Annotated[Actor, allow("loaners:device:read")],
    db: Db,
    view: ViewKey,
    filters: Annotated[schemas.ListFilters, Query()],
) -> Response:
    return exports.as_csv(db, actor, exports.list_table(db, view, filters))


@router.get(
    "/lists/{view}.xlsx", response_class=Response, responses=answers.download_responses(FileKind.XLSX) | refusals(404)
)
def list_as_excel(
    actor: Annotated[Actor, allow("loaners:device:read")],
    db: Db,
    view: ViewKey,
    filters: Annotated[schemas.ListFilters, Query()],
) -> Response:
    return exports.as_excel(db, actor, exports.list_table(db, view, filters))


@router.get("/lists/{view}", response_model=schemas.ListPage, responses=refusals(404))
async def listed(
    page_request: Annotated[ListRequest, list_request("loaners:device:read", may_lag=True)],
    view: ViewKey,
    filters: Annotated[schemas.ListFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await page_request.page(lambda db, actor: queries.page(db, view, limit, cursor, filters))
