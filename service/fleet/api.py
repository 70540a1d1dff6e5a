"""HTTP routes of the fleet. Heartbeats do not come through here: `ingest` is an endpoint of its own."""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.replica_reads import ReadDb
from service.fleet import actions, exports, queries, schemas

router = APIRouter(prefix="/api/fleet", tags=["fleet"], responses=refusals(400, 401, 403, 422, 503))


@router.get("/summary")
def summary(actor: Annotated[Actor, allow("fleet:terminal:read")], db: ReadDb) -> schemas.Summary:
    """The fleet in numbers, now."""
    return queries.summary(db)


routes.add_export_routes(router, "/customers", exports.CUSTOMERS)
routes.add_export_routes(router, "/terminals", exports.TERMINALS)


@router.get("/customers")
def customers(
    actor: Annotated[Actor, allow("fleet:customer:read")],
    db: ReadDb,
    filters: Annotated[schemas.CustomerFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.CustomerItem]:
    return queries.customers(db, limit, cursor, filters)


@router.post("/customers", status_code=201, responses=refusals(409))
def create_customer(
    actor: Annotated[Actor, allow("fleet:customer:create")], db: Db, new: schemas.NewCustomer
) -> schemas.Created:
    return schemas.Created(id=actions.create_customer(db, actor, new).id)


@router.get("/terminals")
def terminals(
    actor: Annotated[Actor, allow("fleet:terminal:read")],
    db: ReadDb,
    filters: Annotated[schemas.TerminalFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.TerminalItem]:
    """Terminals with a problem come first, unless sorted otherwise."""
    return queries.terminals(db, limit, cursor, filters)


@router.post("/terminals", status_code=201, responses=refusals(404, 409))
def create_terminal(
    actor: Annotated[Actor, allow("fleet:terminal:create")], db: Db, new: schemas.NewTerminal
) -> schemas.Created:
    return schemas.Created(id=actions.create_terminal(db, actor, new).id)


@router.get("/terminals/{terminal_id}/photos", responses=refusals(404))
def photos(actor: Annotated[Actor, allow("fleet:terminal:read")], db: Db, terminal_id: PathId) -> schemas.Photos:
    return queries.photos(db, terminal_id)


@router.post("/terminals/{terminal_id}/photos", status_code=201, responses=refusals(404, 409))
def add_photo(
    actor: Annotated[Actor, allow("fleet:photo:update")], db: Db, terminal_id: PathId, new: schemas.NewPhoto
) -> schemas.Photos:
    """Attaches an uploaded picture (`PUT /api/core/files?purpose=fleet.terminal_photo`)."""
    actions.add_photo(db, actor, terminal_id, new)
    return queries.photos(db, terminal_id)


@router.delete("/terminals/{terminal_id}/photos/{file_id}", status_code=204, responses=refusals(404))
def remove_photo(
    actor: Annotated[Actor, allow("fleet:photo:update")], db: Db, terminal_id: PathId, file_id: uuid.UUID
) -> None:
    actions.remove_photo(db, actor, terminal_id, file_id)


@router.get("/alerts")
def alerts(
    actor: Annotated[Actor, allow("fleet:incident:read")],
    db: ReadDb,
    limit: Limit = 50,
    cursor: Cursor = None,
    state: Literal["open", "all"] = "open",
) -> Page[schemas.AlertItem]:
    return queries.alerts(db, limit, cursor, state == "open")
