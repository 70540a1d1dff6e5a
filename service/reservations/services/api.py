"""HTTP routes of services and their plans."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from service.core import resources
from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.routing.replica_reads import ReadDb
from service.reservations.services import actions, queries, schemas

PERMISSIONS = resources.Permissions.of("reservations:service:read", "reservations:service:update")
Reader = Annotated[Actor, allow(PERMISSIONS.read)]
Editor = Annotated[Actor, allow(PERMISSIONS.update)]
router = APIRouter(prefix="/api/reservations", tags=["reservations"], responses=refusals(400, 401, 403, 422, 503))

resources.add_routes(
    router,
    "/services",
    actions.SERVICES,
    PERMISSIONS,
    resources.Reads(schemas.ServiceItem, schemas.ServiceFilters, queries.services),
)


@router.get("/services/{service_id}", responses=refusals(404))
def service(actor: Reader, db: Db, service_id: resources.PathId) -> schemas.ServiceDetail:
    return queries.service_detail(db, service_id)


@router.get("/services/{service_id}/history", responses=refusals(404))
def history(actor: Reader, db: ReadDb, service_id: resources.PathId) -> schemas.History:
    """The history of the service and its plans, the newest first."""
    return queries.history(db, service_id)


@router.post("/services/{service_id}/plans", status_code=201, responses=refusals(404, 409))
def create_plan(actor: Editor, db: Db, service_id: resources.PathId, new: schemas.NewPlan) -> resources.Created:
    return resources.Created(id=actions.create_plan(db, actor, service_id, new).id)


resources.add_change_routes(router, "/plans", actions.PLANS, PERMISSIONS)
