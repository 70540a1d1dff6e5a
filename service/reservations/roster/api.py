"""HTTP routes of the on-call roster."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core import resources
from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.values.texts import RecordVersion
from service.reservations.roster import actions, queries, schemas

READ, UPDATE = "reservations:operation:read", "reservations:roster:update"
Reader = Annotated[Actor, allow(READ)]
router = APIRouter(prefix="/api/reservations", tags=["reservations"], responses=refusals(400, 401, 403, 422, 503))

resources.add_routes(
    router,
    "/roster",
    actions.SHIFTS,
    resources.Permissions.of(READ, UPDATE),
    resources.Reads(schemas.ShiftItem, schemas.ShiftFilters, queries.shifts),
)


@router.get("/roster/now")
def on_call(actor: Reader, db: Db) -> schemas.OnCall:
    """The shift that is on call now."""
    return queries.on_call_now(db)


@router.get("/roster/people")
def people(actor: Reader, db: Db) -> list[schemas.Person]:
    """The users who can be on call and own 手動対応."""
    return queries.responders(db)


@router.delete("/roster/{shift_id}", status_code=204, responses=refusals(404, 409))
def remove(
    actor: Annotated[Actor, allow(UPDATE)],
    db: Db,
    shift_id: resources.PathId,
    version: Annotated[RecordVersion, Query()],
) -> None:
    actions.remove(db, actor, shift_id, version)
