"""HTTP routes of the on-call roster."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.lists import ListRequest, list_request
from service.core.values.texts import RecordVersion
from service.reservations.roster import actions, queries, schemas

READ = "reservations:operation:read"
Reader = Annotated[Actor, allow(READ)]
Editor = Annotated[Actor, allow("reservations:roster:update")]
router = APIRouter(
    prefix="/api/reservations/roster",
    tags=["reservations"],
    responses=refusals(400, 401, 403, 422, 503),
)


@router.get("", response_model=Page[schemas.ShiftItem])
async def shifts(
    request: Annotated[ListRequest, list_request(READ)],
    filters: Annotated[schemas.ShiftFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await request.page(lambda db, _: queries.shifts(db, limit, cursor, filters))


@router.get("/now")
def on_call(actor: Reader, db: Db) -> schemas.OnCall:
    """The shift that is on call now."""
    return queries.on_call_now(db)


@router.get("/people")
def people(actor: Reader, db: Db) -> list[schemas.Person]:
    """The users who can be on call and own 手動対応."""
    return queries.responders(db)


@router.post("", status_code=201, responses=refusals(409))
def create(actor: Editor, db: Db, new: schemas.NewShift) -> schemas.Made:
    return schemas.Made(id=actions.create(db, actor, new).id)


@router.patch("/{shift_id}", status_code=204, responses=refusals(404, 409))
def change(actor: Editor, db: Db, shift_id: PathId, new: schemas.ShiftChange) -> None:
    actions.change(db, actor, shift_id, new)


@router.delete("/{shift_id}", status_code=204, responses=refusals(404, 409))
def remove(actor: Editor, db: Db, shift_id: PathId, version: Annotated[RecordVersion, Query()]) -> None:
    actions.remove(db, actor, shift_id, version)
