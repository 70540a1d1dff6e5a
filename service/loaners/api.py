"""Routes of sites, models and custom columns."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from service.core import resources
from service.core.access.auth import Actor, allow
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.loaners import actions, exports, queries, schemas

PERMISSIONS = resources.Permissions.of("loaners:master:read", "loaners:master:update")
router = APIRouter(prefix="/api/loaners", tags=["loaners"], responses=refusals(400, 401, 403, 422, 503))

routes.add_export_routes(router, "/sites", exports.SITES)
routes.add_export_routes(router, "/models", exports.MODELS)


@router.get("/categories")
def categories(actor: Annotated[Actor, allow(PERMISSIONS.read)]) -> schemas.Categories:
    """カテゴリマスタ (2.2.3): predefined rows."""
    return schemas.categories()


resources.add_routes(
    router,
    "/sites",
    actions.SITES,
    PERMISSIONS,
    resources.Reads(schemas.SiteItem, schemas.SiteFilters, queries.sites),
)
resources.add_routes(
    router,
    "/models",
    actions.MODELS,
    PERMISSIONS,
    resources.Reads(schemas.ModelItem, schemas.ModelFilters, queries.models),
)
resources.add_routes(
    router,
    "/columns",
    actions.COLUMNS,
    PERMISSIONS,
    resources.Reads(schemas.ColumnItem, schemas.ColumnFilters, queries.columns),
)
