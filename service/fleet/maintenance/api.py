"""HTTP routes of maintenance windows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.fleet.maintenance import actions, queries, schemas

router = APIRouter(prefix="/api/fleet/maintenances", tags=["fleet"], responses=refusals(400, 401, 403, 422, 503))


@router.get("")
def maintenances(
    actor: Annotated[Actor, allow("fleet:terminal:read")],
    db: Db,
    filters: Annotated[schemas.MaintenanceFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.MaintenanceItem]:
    """Current, future or past windows; of all, of a customer or of a terminal."""
    return queries.windows(db, limit, cursor, filters)


@router.post("", status_code=201, responses=refusals(404, 409))
def plan(
    actor: Annotated[Actor, allow("fleet:terminal:maintain")], db: Db, new: schemas.NewMaintenance
) -> schemas.Planned:
    return schemas.Planned(ids=actions.plan(db, actor, new))


@router.post("/end", responses=refusals(404))
def end_several(
    actor: Annotated[Actor, allow("fleet:terminal:maintain")], db: Db, body: schemas.ToEnd
) -> schemas.Ended:
    """Ends current windows and cancels future ones."""
    return schemas.Ended(ended=actions.end(db, actor, body.ids))


@router.get("/{maintenance_id}", responses=refusals(404))
def maintenance(
    actor: Annotated[Actor, allow("fleet:terminal:read")], db: Db, maintenance_id: PathId
) -> schemas.MaintenanceItem:
    return queries.window(db, maintenance_id)


@router.post("/{maintenance_id}/end", responses=refusals(404))
def end(
    actor: Annotated[Actor, allow("fleet:terminal:maintain")], db: Db, maintenance_id: PathId
) -> schemas.MaintenanceItem:
    """Ends a window early, or cancels it when it has not begun. A past window stays unchanged."""
    actions.end(db, actor, [maintenance_id])
    db.flush()
    return queries.window(db, maintenance_id)
