"""Routes of sites, models and custom columns."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.lists import ListRequest, list_request
from service.loaners import actions, exports, queries, schemas

READ, UPDATE = "loaners:master:read", "loaners:master:update"
Reader = Annotated[Actor, allow(READ)]
Editor = Annotated[Actor, allow(UPDATE)]
router = APIRouter(prefix="/api/loaners", tags=["loaners"], responses=refusals(400, 401, 403, 422, 503))

routes.add_export_routes(router, "/sites", exports.SITES)
routes.add_export_routes(router, "/models", exports.MODELS)


@router.get("/categories")
def categories(actor: Reader) -> schemas.Categories:
    """カテゴリマスタ (2.2.3): predefined rows."""
    return schemas.categories()


@router.get("/sites", response_model=Page[schemas.SiteItem])
async def sites(
    page_request: Annotated[ListRequest, list_request(READ)],
    filters: Annotated[schemas.SiteFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await page_request.page(lambda db, _: queries.sites(db, limit, cursor, filters))


@router.post("/sites", status_code=201, responses=refusals(409))
def create_site(actor: Editor, db: Db, new: schemas.NewSite) -> schemas.Created:
    return schemas.Created(id=actions.create_site(db, actor, new).id)


@router.patch("/sites/{site_id}", status_code=204, responses=refusals(404, 409))
def change_site(actor: Editor, db: Db, site_id: PathId, new: schemas.SiteChange) -> None:
    actions.change_site(db, actor, site_id, new)


@router.post("/sites/{site_id}/archive", status_code=204, responses=refusals(404))
def archive_site(actor: Editor, db: Db, site_id: PathId) -> None:
    actions.archive_site(db, actor, site_id, True)


@router.post("/sites/{site_id}/restore", status_code=204, responses=refusals(404))
def restore_site(actor: Editor, db: Db, site_id: PathId) -> None:
    actions.archive_site(db, actor, site_id, False)


@router.get("/models", response_model=Page[schemas.ModelItem])
async def models(
    page_request: Annotated[ListRequest, list_request(READ)],
    filters: Annotated[schemas.ModelFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await page_request.page(lambda db, _: queries.models(db, limit, cursor, filters))


@router.post("/models", status_code=201, responses=refusals(409))
def create_model(actor: Editor, db: Db, new: schemas.NewModel) -> schemas.Created:
    return schemas.Created(id=actions.create_model(db, actor, new).id)


@router.patch("/models/{model_id}", status_code=204, responses=refusals(404, 409))
def change_model(actor: Editor, db: Db, model_id: PathId, new: schemas.ModelChange) -> None:
    actions.change_model(db, actor, model_id, new)


@router.post("/models/{model_id}/archive", status_code=204, responses=refusals(404))
def archive_model(actor: Editor, db: Db, model_id: PathId) -> None:
    actions.archive_model(db, actor, model_id, True)


@router.post("/models/{model_id}/restore", status_code=204, responses=refusals(404))
def restore_model(actor: Editor, db: Db, model_id: PathId) -> None:
    actions.archive_model(db, actor, model_id, False)


@router.get("/columns", response_model=Page[schemas.ColumnItem])
async def columns(
    page_request: Annotated[ListRequest, list_request(READ)],
    filters: Annotated[schemas.ColumnFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await page_request.page(lambda db, _: queries.columns(db, limit, cursor, filters))


@router.post("/columns", status_code=201, responses=refusals(409))
def create_column(actor: Editor, db: Db, new: schemas.NewColumn) -> schemas.Created:
    return schemas.Created(id=actions.create_column(db, actor, new).id)


@router.patch("/columns/{column_id}", status_code=204, responses=refusals(404, 409))
def change_column(actor: Editor, db: Db, column_id: PathId, new: schemas.ColumnChange) -> None:
    actions.change_column(db, actor, column_id, new)


@router.post("/columns/{column_id}/archive", status_code=204, responses=refusals(404))
def archive_column(actor: Editor, db: Db, column_id: PathId) -> None:
    actions.archive_column(db, actor, column_id, True)


@router.post("/columns/{column_id}/restore", status_code=204, responses=refusals(404))
def restore_column(actor: Editor, db: Db, column_id: PathId) -> None:
    actions.archive_column(db, actor, column_id, False)
