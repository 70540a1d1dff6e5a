"""Maintenance's routes: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES
from service.fleet.maintenance import actions, queries, schemas

router = APIRouter(
    prefix="/api/fleet/maintenances",
    tags=["fleet"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 422, 503)},
)
Id = Annotated[int, Path(ge=1, lt=2**63)]


@router.get("", response_model=Page[schemas.MaintenanceItem])
async def maintenances(
    asking: Annotated[Asking, lists("fleet:terminal:read")],
    filters: Annotated[schemas.MaintenanceFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Under way, to come, or over; of all, of a customer or of a terminal."""
    return await asking.page(lambda db, _: queries.windows(db, limit, cursor, filters))


@router.post("", status_code=201, responses={404: RESPONSES[404], 409: RESPONSES[409]})
def plan(
    actor: Annotated[Actor, allow("fleet:terminal:maintain")], db: Db, new: schemas.NewMaintenance
) -> schemas.Planned:
    return schemas.Planned(ids=actions.plan(db, actor, new))


@router.post("/end", responses={404: RESPONSES[404]})
def end_several(
    actor: Annotated[Actor, allow("fleet:terminal:maintain")], db: Db, which: schemas.ToEnd
) -> schemas.Ended:
    """Ends those under way and calls off those to come."""
    return schemas.Ended(ended=actions.end(db, actor, which.ids))


@router.get("/{maintenance_id}", responses={404: RESPONSES[404]})
def maintenance(
    actor: Annotated[Actor, allow("fleet:terminal:read")], db: Db, maintenance_id: Id
) -> schemas.MaintenanceItem:
    return schemas.MaintenanceItem.model_validate(queries.window(db, maintenance_id))


@router.post("/{maintenance_id}/end", responses={404: RESPONSES[404]})
def end(
    actor: Annotated[Actor, allow("fleet:terminal:maintain")], db: Db, maintenance_id: Id
) -> schemas.MaintenanceItem:
    """Ends it early, or calls it off when it has not begun. To one that is over nothing happens."""
    actions.end(db, actor, [maintenance_id])
    db.flush()
    return schemas.MaintenanceItem.model_validate(queries.window(db, maintenance_id))
