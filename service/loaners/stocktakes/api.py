"""Routes of stocktakes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.resources import Created, PathId
from service.core.routing.replica_reads import ReadDb
from service.loaners.lists.exports import add_download_routes
from service.loaners.stocktakes import actions, exports, queries, schemas

router = APIRouter(prefix="/api/loaners/stocktakes", tags=["loaners"], responses=refusals(400, 401, 403, 422, 503))
add_download_routes(router, "/{stocktake_id}/rows", "rows", "loaners:stocktake:read", exports.rows, 404)


@router.get("")
def stocktakes(
    actor: Annotated[Actor, allow("loaners:stocktake:read")],
    db: ReadDb,
    filters: Annotated[schemas.StocktakeFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.StocktakeItem]:
    return queries.stocktakes(db, limit, cursor, filters)


@router.post("", status_code=201, responses=refusals(404, 409))
def start(actor: Annotated[Actor, allow("loaners:stocktake:update")], db: Db, new: schemas.NewStocktake) -> Created:
    return Created(id=actions.start(db, actor, new).id)


@router.get("/{stocktake_id}", responses=refusals(404))
def stocktake(
    actor: Annotated[Actor, allow("loaners:stocktake:read")], db: Db, stocktake_id: PathId
) -> schemas.StocktakeDetail:
    return queries.stocktake_detail(db, stocktake_id)


@router.get("/{stocktake_id}/rows", responses=refusals(404))
def rows(
    actor: Annotated[Actor, allow("loaners:stocktake:read")],
    db: Db,
    stocktake_id: PathId,
    filters: Annotated[schemas.RowFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.RowItem]:
    return queries.rows(db, stocktake_id, limit, cursor, filters)


@router.post("/{stocktake_id}/scans", responses=refusals(404, 409))
def scan(
    actor: Annotated[Actor, allow("loaners:stocktake:update")], db: Db, stocktake_id: PathId, body: schemas.Scan
) -> schemas.Scanned:
    return actions.scan(db, actor, stocktake_id, body.code)


@router.delete("/{stocktake_id}/rows/{row_id}/scan", status_code=204, responses=refusals(404, 409))
def take_back(
    actor: Annotated[Actor, allow("loaners:stocktake:update")], db: Db, stocktake_id: PathId, row_id: PathId
) -> None:
    """Undoes a wrong scan."""
    actions.undo_scan(db, actor, stocktake_id, row_id)


@router.put("/{stocktake_id}/rows/{row_id}/note", status_code=204, responses=refusals(404, 409))
def note(
    actor: Annotated[Actor, allow("loaners:stocktake:update")],
    db: Db,
    stocktake_id: PathId,
    row_id: PathId,
    new: schemas.Note,
) -> None:
    actions.set_note(db, actor, stocktake_id, row_id, new.note)


@router.post("/{stocktake_id}/close", status_code=204, responses=refusals(404, 409))
def close(actor: Annotated[Actor, allow("loaners:stocktake:update")], db: Db, stocktake_id: PathId) -> None:
    actions.close(db, actor, stocktake_id)
