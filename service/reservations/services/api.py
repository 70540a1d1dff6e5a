"""HTTP routes of services and their plans."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.http.problem_responses import RESPONSES
from service.core.routing.lists import ListRequest, list_request
from service.core.routing.replica_reads import ReadDb
from service.reservations.services import actions, queries, schemas

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 422, 503)}
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_CONFLICT: dict[int | str, dict[str, Any]] = {409: RESPONSES[409]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
READ = "reservations:service:read"
Reader = Annotated[Actor, allow(READ)]
Editor = Annotated[Actor, allow("reservations:service:update")]
router = APIRouter(prefix="/api/reservations", tags=["reservations"], responses=_REFUSALS)


@router.get("/services", response_model=Page[schemas.ServiceItem])
async def services(
    request: Annotated[ListRequest, list_request(READ)],
    filters: Annotated[schemas.ServiceFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await request.page(lambda db, _: queries.services(db, limit, cursor, filters))


@router.post("/services", status_code=201, responses=_CONFLICT)
def create(actor: Editor, db: Db, new: schemas.NewService) -> schemas.Created:
    return schemas.Created(id=actions.create(db, actor, new).id)


@router.get("/services/{service_id}", responses=_NOT_FOUND)
def service(actor: Reader, db: Db, service_id: Id) -> schemas.ServiceDetail:
    return schemas.ServiceDetail.model_validate(queries.service_detail(db, service_id))


@router.get("/services/{service_id}/history", responses=_NOT_FOUND)
def history(actor: Reader, db: ReadDb, service_id: Id) -> schemas.History:
    """The history of the service and its plans, the newest first."""
    return queries.history(db, service_id)


@router.patch("/services/{service_id}", status_code=204, responses=_NOT_FOUND | _CONFLICT)
def change(actor: Editor, db: Db, service_id: Id, new: schemas.ServiceChange) -> None:
    actions.change(db, actor, service_id, new)


@router.post("/services/{service_id}/archive", status_code=204, responses=_NOT_FOUND)
def archive(actor: Editor, db: Db, service_id: Id) -> None:
    actions.archive(db, actor, service_id, True)


@router.post("/services/{service_id}/restore", status_code=204, responses=_NOT_FOUND)
def restore(actor: Editor, db: Db, service_id: Id) -> None:
    actions.archive(db, actor, service_id, False)


@router.post("/services/{service_id}/plans", status_code=201, responses=_NOT_FOUND | _CONFLICT)
def create_plan(actor: Editor, db: Db, service_id: Id, new: schemas.NewPlan) -> schemas.Created:
    return schemas.Created(id=actions.create_plan(db, actor, service_id, new).id)


@router.patch("/plans/{plan_id}", status_code=204, responses=_NOT_FOUND | _CONFLICT)
def change_plan(actor: Editor, db: Db, plan_id: Id, new: schemas.PlanChange) -> None:
    actions.change_plan(db, actor, plan_id, new)


@router.post("/plans/{plan_id}/archive", status_code=204, responses=_NOT_FOUND)
def archive_plan(actor: Editor, db: Db, plan_id: Id) -> None:
    actions.archive_plan(db, actor, plan_id, True)


@router.post("/plans/{plan_id}/restore", status_code=204, responses=_NOT_FOUND)
def restore_plan(actor: Editor, db: Db, plan_id: Id) -> None:
    actions.archive_plan(db, actor, plan_id, False)
