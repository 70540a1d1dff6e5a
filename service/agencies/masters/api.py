"""The masters' routes."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter

from service.agencies.masters import actions, exports, queries, schemas
from service.core import resources
from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import refusals

PERMISSIONS = resources.Permissions.of("agencies:master:read", "agencies:master:update")
router = APIRouter(prefix="/api/agencies", tags=["agencies"], responses=refusals(400, 401, 403, 422, 503))

routes.add_export_routes(router, "/choices", exports.CHOICES)
routes.add_export_routes(router, "/options", exports.OPTIONS)
routes.add_export_routes(router, "/carrier-fields", exports.CARRIER_FIELDS)
resources.add_routes(
    router,
    "/choices",
    actions.CHOICES,
    PERMISSIONS,
    resources.Reads(schemas.ChoiceItem, schemas.ChoiceFilters, partial(queries.page, queries.CHOICES)),
    refused=resources.Refused(archive=(409,), restore=(409,)),
)
resources.add_routes(
    router,
    "/options",
    actions.OPTIONS,
    PERMISSIONS,
    resources.Reads(schemas.OptionItem, schemas.OptionFilters, partial(queries.page, queries.OPTIONS)),
)
resources.add_routes(
    router,
    "/carrier-fields",
    actions.CARRIER_FIELDS,
    PERMISSIONS,
    resources.Reads(
        schemas.CarrierFieldItem, schemas.CarrierFieldFilters, partial(queries.page, queries.CARRIER_FIELDS)
    ),
    id_name="field_id",
)


@router.get("/masters")
def masters(actor: Annotated[Actor, allow(PERMISSIONS.read)], db: Db) -> schemas.Masters:
    """The choices that forms offer, and the labels of all codes."""
    return queries.masters(db)
