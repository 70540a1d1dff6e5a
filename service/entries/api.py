"""Routes of nurseries, parents and children."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel

from service.core.access import password_hashing
from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import RESPONSES
from service.core.routing.lists import ListRequest, list_request
from service.core.routing.short_transactions import allow_without_transaction, short_transaction
from service.core.values.texts import RecordId
from service.entries import actions, exports, queries, schemas

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 422, 503)}
_ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_ABSENT_OR_CONFLICT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404], 409: RESPONSES[409]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
router = APIRouter(prefix="/api/entries", tags=["entries"], responses=_REFUSALS)

routes.add_export_routes(router, "/parents", exports.PARENTS, _ABSENT)
routes.add_export_routes(router, "/children", exports.CHILDREN, _ABSENT)


class LoggedOut(BaseModel):
    """Stations that were running and have to log in again."""

    stations: int


@router.get("/nurseries", response_model=Page[schemas.NurseryItem])
async def nurseries(
    page_request: Annotated[ListRequest, list_request("entries:nursery:read")],
    filters: Annotated[schemas.NurseryFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await page_request.page(lambda db, actor: queries.nurseries(db, actor, limit, cursor, filters))


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
    actor: Annotated[Actor, allow_without_transaction("entries:nursery:update")],
    request: Request,
    nursery_id: Id,
    new: schemas.NewStationPassword,
) -> LoggedOut:
    """AR-EL-002."""
    hashed = await password_hashing.hash_password(new.password.get_secret_value()) if new.password else None
    ended = await short_transaction(
        request, actor.scopes, lambda db: actions.set_station_password(db, actor, nursery_id, hashed)
    )
    return LoggedOut(stations=ended)


@router.post("/nurseries/{nursery_id}/archive", status_code=204, responses=_ABSENT)
def archive_nursery(actor: Annotated[Actor, allow("entries:nursery:create")], db: Db, nursery_id: Id) -> None:
    actions.archive_nursery(db, actor, nursery_id, True)


@router.post("/nurseries/{nursery_id}/restore", status_code=204, responses=_ABSENT)
def restore_nursery(actor: Annotated[Actor, allow("entries:nursery:create")], db: Db, nursery_id: Id) -> None:
    actions.archive_nursery(db, actor, nursery_id, False)


@router.get("/nursery", responses=_ABSENT)
def nursery(
    actor: Annotated[Actor, allow("entries:nursery:read")],
    db: Db,
    nursery_id: Annotated[RecordId | None, Query()] = None,
) -> schemas.NurseryItem:
    """The requested nursery, or the first one that the user may see."""
    return schemas.NurseryItem.model_validate(queries.nursery_detail(db, actor, nursery_id))


@router.get("/people", responses=_ABSENT)
def people(
    actor: Annotated[Actor, allow("entries:parent:read")],
    db: Db,
    nursery_id: Annotated[RecordId | None, Query()] = None,
) -> schemas.People:
    """Counts parents and children, and those that lack a card, a mail address or a parent."""
    return schemas.People.model_validate(queries.count_people(db, actor, nursery_id))


@router.get("/parents", response_model=Page[schemas.ParentItem], responses=_ABSENT)
async def parents(
    page_request: Annotated[ListRequest, list_request("entries:parent:read", may_lag=True)],
    filters: Annotated[schemas.ParentFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await page_request.page(lambda db, actor: queries.parents(db, actor, limit, cursor, filters))


@router.post("/parents", status_code=201, responses=_ABSENT_OR_CONFLICT)
def create_parent(
    actor: Annotated[Actor, allow("entries:parent:update")], db: Db, new: schemas.NewParent
) -> schemas.Created:
    return schemas.Created(id=actions.create_parent(db, actor, new).id)


@router.get("/parents/{parent_id}", responses=_ABSENT)
def parent(actor: Annotated[Actor, allow("entries:parent:read")], db: Db, parent_id: Id) -> schemas.ParentItem:
    return schemas.ParentItem.model_validate(queries.parent_detail(db, actor, parent_id))


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
    page_request: Annotated[ListRequest, list_request("entries:child:read", may_lag=True)],
    filters: Annotated[schemas.ChildFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await page_request.page(lambda db, actor: queries.children(db, actor, limit, cursor, filters))


@router.post("/children", status_code=201, responses=_ABSENT_OR_CONFLICT)
def create_child(
    actor: Annotated[Actor, allow("entries:child:update")], db: Db, new: schemas.NewChild
) -> schemas.Created:
    return schemas.Created(id=actions.create_child(db, actor, new).id)


@router.get("/children/{child_id}", responses=_ABSENT)
def child(actor: Annotated[Actor, allow("entries:child:read")], db: Db, child_id: Id) -> schemas.ChildItem:
    return schemas.ChildItem.model_validate(queries.child_detail(db, actor, child_id))


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
