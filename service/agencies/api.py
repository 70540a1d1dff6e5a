"""The agencies' own routes: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.agencies import actions, exports, queries, schemas
from service.core import resources
from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.replica_reads import ReadDb

READ, UPDATE = "agencies:agency:read", "agencies:agency:update"
Reader = Annotated[Actor, allow(READ)]
Editor = Annotated[Actor, allow(UPDATE)]
router = APIRouter(prefix="/api/agencies", tags=["agencies"], responses=refusals(400, 401, 403, 422, 503))

routes.add_export_routes(router, "/agencies", exports.AGENCIES)
resources.add_routes(
    router,
    "/agencies",
    actions.AGENCIES,
    resources.Permissions.of(READ, UPDATE),
    resources.Reads(schemas.AgencyItem, schemas.AgencyFilters, queries.agencies, may_lag=True),
)


@router.get("/agencies/summary")
def summary(actor: Reader, db: ReadDb) -> schemas.AgencySummary:
    return queries.summary(db)


@router.post("/agencies/{agency_id}/deactivate", responses=refusals(404))
def deactivate(actor: Editor, db: Db, agency_id: PathId, body: schemas.Deactivation) -> schemas.Deactivated:
    """無効化: its users are signed out and cannot sign in."""
    return schemas.Deactivated(sessions_ended=actions.deactivate(db, actor, agency_id, body.reason))


@router.post("/agencies/{agency_id}/activate", status_code=204, responses=refusals(404))
def activate(actor: Editor, db: Db, agency_id: PathId) -> None:
    actions.activate(db, actor, agency_id)


@router.get("/sales-people")
def sales_people(
    actor: Annotated[Actor, allow("agencies:request:create")],
    db: Db,
    filters: Annotated[schemas.SalesPeopleFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.SalesPerson]:
    """Sales staff on whose behalf a request can be made."""
    return queries.sales_people(db, actor, limit, cursor, filters)
