"""Routes of device lists."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.routing.replica_reads import ReadDb
from service.loaners.lists import exports, queries, schemas

router = APIRouter(prefix="/api/loaners", tags=["loaners"], responses=refusals(400, 401, 403, 422, 503))
# Added before the list, whose route would read `AUDIT.csv` as the key of a view.
exports.add_download_routes(router, "/lists/{view}", "list", "loaners:device:read", exports.list_table, 404)


@router.get("/options")
def options(actor: Annotated[Actor, allow("loaners:view:read")], db: Db) -> schemas.Options:
    """Values for the filters of lists."""
    return queries.options(db)


@router.get("/lists/{view}", responses=refusals(404))
def listed(
    actor: Annotated[Actor, allow("loaners:device:read")],
    db: ReadDb,
    view: schemas.ViewKey,
    filters: Annotated[schemas.ListFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> schemas.ListPage:
    return queries.page(db, view, limit, cursor, filters)
