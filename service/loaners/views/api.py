"""Routes of views."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from service.core import resources
from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.loaners.views import actions, queries, schemas

UPDATE = "loaners:view:update"
Editor = Annotated[Actor, allow(UPDATE)]
router = APIRouter(prefix="/api/loaners", tags=["loaners"], responses=refusals(400, 401, 403, 422, 503))

resources.add_routes(
    router,
    "/views",
    actions.VIEWS,
    # Archiving and restoring are refused differently: below.
    resources.Permissions("loaners:view:read", create=UPDATE, update=UPDATE, archive=None),
    item=schemas.ViewItem,
    filters=schemas.ViewFilters,
    page=queries.views,
)


@router.post("/views/{view_id}/archive", status_code=204, responses=refusals(404, 409))
def archive_view(actor: Editor, db: Db, view_id: resources.PathId) -> None:
    actions.VIEWS.set_archived(db, actor, view_id, True)


@router.post("/views/{view_id}/restore", status_code=204, responses=refusals(404))
def restore_view(actor: Editor, db: Db, view_id: resources.PathId) -> None:
    actions.VIEWS.set_archived(db, actor, view_id, False)
