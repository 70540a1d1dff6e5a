"""Routes of views."""

from __future__ import annotations

from fastapi import APIRouter

from service.core import resources
from service.core.http.problem_responses import refusals
from service.loaners.views import actions, queries, schemas

router = APIRouter(prefix="/api/loaners", tags=["loaners"], responses=refusals(400, 401, 403, 422, 503))

resources.add_routes(
    router,
    "/views",
    actions.VIEWS,
    resources.Permissions.of("loaners:view:read", "loaners:view:update"),
    resources.Reads(schemas.ViewItem, schemas.ViewFilters, queries.views),
    # The summary's view cannot be archived.
    refused=resources.Refused(archive=(409,)),
)
