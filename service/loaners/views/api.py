"""Routes of views."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.lists import ListRequest, list_request
from service.loaners.views import actions, queries, schemas

router = APIRouter(prefix="/api/loaners", tags=["loaners"], responses=refusals(400, 401, 403, 422, 503))


class Created(BaseModel):
    id: int


@router.get("/views", response_model=Page[schemas.ViewItem])
async def views(
    page_request: Annotated[ListRequest, list_request("loaners:view:read")],
    filters: Annotated[schemas.ViewFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await page_request.page(lambda db, actor: queries.views(db, limit, cursor, filters))


@router.post("/views", status_code=201, responses=refusals(409))
def create_view(actor: Annotated[Actor, allow("loaners:view:update")], db: Db, new: schemas.NewView) -> Created:
    return Created(id=actions.create(db, actor, new).id)


@router.patch("/views/{view_id}", status_code=204, responses=refusals(404, 409))
def change_view(
    actor: Annotated[Actor, allow("loaners:view:update")], db: Db, view_id: PathId, new: schemas.ViewChange
) -> None:
    actions.change(db, actor, view_id, new)


@router.post("/views/{view_id}/archive", status_code=204, responses=refusals(404, 409))
def archive_view(actor: Annotated[Actor, allow("loaners:view:update")], db: Db, view_id: PathId) -> None:
    actions.set_archived(db, actor, view_id, True)


@router.post("/views/{view_id}/restore", status_code=204, responses=refusals(404))
def restore_view(actor: Annotated[Actor, allow("loaners:view:update")], db: Db, view_id: PathId) -> None:
    actions.set_archived(db, actor, view_id, False)
