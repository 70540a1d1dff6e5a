"""The services' routes: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES
from service.core.reading import ReadDb
from service.reservations.services import actions, queries, schemas

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 422, 503)}
_ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_CONFLICT: dict[int | str, dict[str, Any]] = {409: RESPONSES[409]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
READ = "reservations:service:read"
Reader = Annotated[Actor, allow(READ)]
Keeper = Annotated[Actor, allow("reservations:service:update")]
router = APIRouter(prefix="/api/reservations", tags=["reservations"], responses=_REFUSALS)


@router.get("/services", response_model=Page[schemas.ServiceItem])
async def services(
    asking: Annotated[Asking, lists(READ)],
    filters: Annotated[schemas.ServiceFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await asking.page(lambda db, _: queries.services(db, limit, cursor, filters))


@router.post("/services", status_code=201, responses=_CONFLICT)
def create(actor: Keeper, db: Db, new: schemas.NewService) -> schemas.Created:
    return schemas.Created(id=actions.create(db, actor, new).id)


@router.get("/services/{service_id}", responses=_ABSENT)
def service(actor: Reader, db: Db, service_id: Id) -> schemas.ServiceDetail:
    return schemas.ServiceDetail.model_validate(queries.service_in_full(db, service_id))


@router.get("/services/{service_id}/history", responses=_ABSENT)
def history(actor: Reader, db: ReadDb, service_id: Id) -> schemas.History:
    """Newest first, its plans included."""
    return schemas.History.model_validate(queries.history(db, service_id))


@router.patch("/services/{service_id}", status_code=204, responses=_ABSENT | _CONFLICT)
def change(actor: Keeper, db: Db, service_id: Id, new: schemas.ServiceChange) -> None:
    actions.change(db, actor, service_id, new)


@router.post("/services/{service_id}/archive", status_code=204, responses=_ABSENT)
def archive(actor: Keeper, db: Db, service_id: Id) -> None:
    actions.archive(db, actor, service_id, True)


@router.post("/services/{service_id}/restore", status_code=204, responses=_ABSENT)
def restore(actor: Keeper, db: Db, service_id: Id) -> None:
    actions.archive(db, actor, service_id, False)


@router.post("/services/{service_id}/plans", status_code=201, responses=_ABSENT | _CONFLICT)
def create_plan(actor: Keeper, db: Db, service_id: Id, new: schemas.NewPlan) -> schemas.Created:
    return schemas.Created(id=actions.create_plan(db, actor, service_id, new).id)


@router.patch("/plans/{plan_id}", status_code=204, responses=_ABSENT | _CONFLICT)
def change_plan(actor: Keeper, db: Db, plan_id: Id, new: schemas.PlanChange) -> None:
    actions.change_plan(db, actor, plan_id, new)


@router.post("/plans/{plan_id}/archive", status_code=204, responses=_ABSENT)
def archive_plan(actor: Keeper, db: Db, plan_id: Id) -> None:
    actions.archive_plan(db, actor, plan_id, True)


@router.post("/plans/{plan_id}/restore", status_code=204, responses=_ABSENT)
def restore_plan(actor: Keeper, db: Db, plan_id: Id) -> None:
    actions.archive_plan(db, actor, plan_id, False)
