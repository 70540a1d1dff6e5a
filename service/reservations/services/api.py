"""HTTP routes of services and their plans."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.lists import ListRequest, list_request
from service.core.routing.replica_reads import ReadDb
from service.reservations.services import actions, queries, schemas

READ = "reservations:service:read"
Reader = Annotated[Actor, allow(READ)]
Editor = Annotated[Actor, allow("reservations:service:update")]
router = APIRouter(prefix="/api/reservations", tags=["reservations"], responses=refusals(400, 401, 403, 422, 503))


@router.get("/services", response_model=Page[schemas.ServiceItem])
async def services(
    request: Annotated[ListRequest, list_request(READ)],
    filters: Annotated[schemas.ServiceFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await request.page(lambda db, _: queries.services(db, limit, cursor, filters))


@router.post("/services", status_code=201, responses=refusals(409))
def create(actor: Editor, db: Db, new: schemas.NewService) -> schemas.Created:
    return schemas.Created(id=actions.create(db, actor, new).id)


@router.get("/services/{service_id}", responses=refusals(404))
def service(actor: Reader, db: Db, service_id: PathId) -> schemas.ServiceDetail:
    return queries.service_detail(db, service_id)


@router.get("/services/{service_id}/history", responses=refusals(404))
def history(actor: Reader, db: ReadDb, service_id: PathId) -> schemas.History:
    """The history of the service and its plans, the newest first."""
    return queries.history(db, service_id)


@router.patch("/services/{service_id}", status_code=204, responses=refusals(404, 409))
def change(actor: Editor, db: Db, service_id: PathId, new: schemas.ServiceChange) -> None:
    actions.change(db, actor, service_id, new)


@router.post("/services/{service_id}/archive", status_code=204, responses=refusals(404))
def archive(actor: Editor, db: Db, service_id: PathId) -> None:
    actions.archive(db, actor, service_id, True)


@router.post("/services/{service_id}/restore", status_code=204, responses=refusals(404))
def restore(actor: Editor, db: Db, service_id: PathId) -> None:
    actions.archive(db, actor, service_id, False)


@router.post("/services/{service_id}/plans", status_code=201, responses=refusals(404, 409))
def create_plan(actor: Editor, db: Db, service_id: PathId, new: schemas.NewPlan) -> schemas.Created:
    return schemas.Created(id=actions.create_plan(db, actor, service_id, new).id)


@router.patch("/plans/{plan_id}", status_code=204, responses=refusals(404, 409))
def change_plan(actor: Editor, db: Db, plan_id: PathId, new: schemas.PlanChange) -> None:
    actions.change_plan(db, actor, plan_id, new)


@router.post("/plans/{plan_id}/archive", status_code=204, responses=refusals(404))
def archive_plan(actor: Editor, db: Db, plan_id: PathId) -> None:
    actions.archive_plan(db, actor, plan_id, True)


@router.post("/plans/{plan_id}/restore", status_code=204, responses=refusals(404))
def restore_plan(actor: Editor, db: Db, plan_id: PathId) -> None:
    actions.archive_plan(db, actor, plan_id, False)
