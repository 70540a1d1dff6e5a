"""The masters' routes: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel

from service.core import hashing
from service.core.auth import Actor, allow
from service.core.brief import allow_briefly, brief
from service.core.db import Db
from service.core.exports import doors
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES
from service.core.texts import Key
from service.entries import actions, exports, queries, schemas

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 422, 503)}
_ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_ABSENT_OR_CONFLICT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404], 409: RESPONSES[409]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
router = APIRouter(prefix="/api/entries", tags=["entries"], responses=_REFUSALS)

doors.add(router, "/parents", exports.PARENTS, _ABSENT)
doors.add(router, "/children", exports.CHILDREN, _ABSENT)


class LoggedOut(BaseModel):
    """Stations that were running and have to log in again."""

    stations: int


@router.get("/nurseries", response_model=Page[schemas.NurseryItem])
async def nurseries(
    asking: Annotated[Asking, lists("entries:nursery:read")],
    filters: Annotated[schemas.NurseryFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await asking.page(lambda db, actor: queries.nurseries(db, actor, limit, cursor, filters))


@router.post("/nurseries", status_code=201, responses={409: RESPONSES[409]})
def create_nursery(
    actor: Annotated[Actor, allow("entries:nursery:create")], db: Db, new: schemas.NewNursery
) -> schemas.Created:
    return schemas.Created(id=actions.create_nursery(db, actor, new).id)


@router.patch("/nurseries/{nursery_id}", status_code=204, responses=_ABSENT_OR_CONFLICT)
def change_nursery(
    actor: Annotated[Actor, allow("entries:nursery:update")], db: Db, nursery_id: Id, new: schemas.NurseryChange
) -> None:
    actions.change_nursery(db, actor, nursery_id, new)


@router.put("/nurseries/{nursery_id}/station-password", responses=_ABSENT)
async def set_station_password(
    actor: Annotated[Actor, allow_briefly("entries:nursery:update")],
    request: Request,
    nursery_id: Id,
    new: schemas.NewStationPassword,
) -> LoggedOut:
    """AR-EL-002."""
    hashed = await hashing.hash_password(new.password.get_secret_value()) if new.password else None
    ended = await brief(request, actor.scopes, lambda db: actions.set_station_password(db, actor, nursery_id, hashed))
    return LoggedOut(stations=ended)


@router.post("/nurseries/{nursery_id}/archive", status_code=204, responses=_ABSENT)
def archive_nursery(actor: Annotated[Actor, allow("entries:nursery:create")], db: Db, nursery_id: Id) -> None:
    actions.archive_nursery(db, actor, nursery_id, True)


@router.post("/nurseries/{nursery_id}/restore", status_code=204, responses=_ABSENT)
def restore_nursery(actor: Annotated[Actor, allow("entries:nursery:create")], db: Db, nursery_id: Id) -> None:
    actions.archive_nursery(db, actor, nursery_id, False)


@router.get("/nursery", responses=_ABSENT)
def nursery(
    actor: Annotated[Actor, allow("entries:nursery:read")], db: Db, nursery_id: Annotated[Key | None, Query()] = None
) -> schemas.NurseryItem:
    """The one asked for, or the first of those that the person sees."""
    return schemas.NurseryItem.model_validate(queries.nursery_in_full(db, actor, nursery_id))


@router.get("/people", responses=_ABSENT)
def people(
    actor: Annotated[Actor, allow("entries:parent:read")], db: Db, nursery_id: Annotated[Key | None, Query()] = None
) -> schemas.People:
    """How many parents and children there are, and of whom something is missing."""
    return schemas.People.model_validate(queries.people(db, actor, nursery_id))


@router.get("/parents", response_model=Page[schemas.ParentItem], responses=_ABSENT)
async def parents(
    asking: Annotated[Asking, lists("entries:parent:read", may_lag=True)],
    filters: Annotated[schemas.ParentFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await asking.page(lambda db, actor: queries.parents(db, actor, limit, cursor, filters))


@router.post("/parents", status_code=201, responses=_ABSENT_OR_CONFLICT)
def create_parent(
    actor: Annotated[Actor, allow("entries:parent:update")], db: Db, new: schemas.NewParent
) -> schemas.Created:
    return schemas.Created(id=actions.create_parent(db, actor, new).id)


@router.get("/parents/{parent_id}", responses=_ABSENT)
def parent(actor: Annotated[Actor, allow("entries:parent:read")], db: Db, parent_id: Id) -> schemas.ParentItem:
    return schemas.ParentItem.model_validate(queries.parent_in_full(db, actor, parent_id))


@router.patch("/parents/{parent_id}", status_code=204, responses=_ABSENT_OR_CONFLICT)
def change_parent(
    actor: Annotated[Actor, allow("entries:parent:update")], db: Db, parent_id: Id, new: schemas.ParentChange
) -> None:
    actions.change_parent(db, actor, parent_id, new)


@router.post("/parents/{parent_id}/archive", status_code=204, responses=_ABSENT)
def archive_parent(actor: Annotated[Actor, allow("entries:parent:update")], db: Db, parent_id: Id) -> None:
    actions.archive_parent(db, actor, parent_id, True)


@router.post("/parents/{parent_id}/restore", status_code=204, responses=_ABSENT)
def restore_parent(actor: Annotated[Actor, allow("entries:parent:update")], db: Db, parent_id: Id) -> None:
    actions.archive_parent(db, actor, parent_id, False)


@router.get("/children", response_model=Page[schemas.ChildItem], responses=_ABSENT)
async def children(
    asking: Annotated[Asking, lists("entries:child:read", may_lag=True)],
    filters: Annotated[schemas.ChildFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await asking.page(lambda db, actor: queries.children(db, actor, limit, cursor, filters))


@router.post("/children", status_code=201, responses=_ABSENT_OR_CONFLICT)
def create_child(
    actor: Annotated[Actor, allow("entries:child:update")], db: Db, new: schemas.NewChild
) -> schemas.Created:
    return schemas.Created(id=actions.create_child(db, actor, new).id)


@router.get("/children/{child_id}", responses=_ABSENT)
def child(actor: Annotated[Actor, allow("entries:child:read")], db: Db, child_id: Id) -> schemas.ChildItem:
    return schemas.ChildItem.model_validate(queries.child_in_full(db, actor, child_id))


@router.patch("/children/{child_id}", status_code=204, responses=_ABSENT_OR_CONFLICT)
def change_child(
    actor: Annotated[Actor, allow("entries:child:update")], db: Db, child_id: Id, new: schemas.ChildChange
) -> None:
    actions.change_child(db, actor, child_id, new)


@router.post("/children/{child_id}/archive", status_code=204, responses=_ABSENT)
def archive_child(actor: Annotated[Actor, allow("entries:child:update")], db: Db, child_id: Id) -> None:
    actions.archive_child(db, actor, child_id, True)


@router.post("/children/{child_id}/restore", status_code=204, responses=_ABSENT)
def restore_child(actor: Annotated[Actor, allow("entries:child:update")], db: Db, child_id: Id) -> None:
    actions.archive_child(db, actor, child_id, False)
