"""The on-call roster's routes: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES
from service.core.texts import Edition
from service.reservations.roster import actions, queries, schemas

_ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_CONFLICT: dict[int | str, dict[str, Any]] = {409: RESPONSES[409]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
READ = "reservations:operation:read"
Reader = Annotated[Actor, allow(READ)]
Keeper = Annotated[Actor, allow("reservations:roster:update")]
router = APIRouter(
    prefix="/api/reservations/roster",
    tags=["reservations"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 422, 503)},
)


@router.get("", response_model=Page[schemas.ShiftItem])
async def shifts(
    asking: Annotated[Asking, lists(READ)],
    filters: Annotated[schemas.ShiftFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await asking.page(lambda db, _: queries.shifts(db, limit, cursor, filters))


@router.get("/now")
def on_call(actor: Reader, db: Db) -> schemas.OnCall:
    """Who is on call now."""
    return schemas.OnCall.model_validate(queries.on_call_now(db))


@router.get("/people")
def people(actor: Reader, db: Db) -> list[schemas.Person]:
    """Who can be on call, and be given a task."""
    return [schemas.Person.model_validate(person) for person in queries.responders(db)]


@router.post("", status_code=201, responses=_CONFLICT)
def create(actor: Keeper, db: Db, new: schemas.NewShift) -> schemas.Made:
    return schemas.Made(id=actions.create(db, actor, new).id)


@router.patch("/{shift_id}", status_code=204, responses=_ABSENT | _CONFLICT)
def change(actor: Keeper, db: Db, shift_id: Id, new: schemas.ShiftChange) -> None:
    actions.change(db, actor, shift_id, new)


@router.delete("/{shift_id}", status_code=204, responses=_ABSENT | _CONFLICT)
def remove(actor: Keeper, db: Db, shift_id: Id, version: Annotated[Edition, Query()]) -> None:
    actions.remove(db, actor, shift_id, version)
