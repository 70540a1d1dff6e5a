"""The masters' routes: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.exports import doors
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES
from service.loaners import actions, exports, queries, schemas

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 422, 503)}
_ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_CONFLICT: dict[int | str, dict[str, Any]] = {409: RESPONSES[409]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
READ, UPDATE = "loaners:master:read", "loaners:master:update"
Reader = Annotated[Actor, allow(READ)]
Keeper = Annotated[Actor, allow(UPDATE)]
router = APIRouter(prefix="/api/loaners", tags=["loaners"], responses=_REFUSALS)

doors.add(router, "/sites", exports.SITES)
doors.add(router, "/models", exports.MODELS)


@router.get("/categories")
def categories(actor: Reader) -> schemas.Categories:
    """カテゴリマスタ (2.2.3): predefined."""
    return schemas.categories()


@router.get("/sites", response_model=Page[schemas.SiteItem])
async def sites(
    asking: Annotated[Asking, lists(READ)],
    filters: Annotated[schemas.SiteFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await asking.page(lambda db, _: queries.sites(db, limit, cursor, filters))


@router.post("/sites", status_code=201, responses=_CONFLICT)
def create_site(actor: Keeper, db: Db, new: schemas.NewSite) -> schemas.Created:
    return schemas.Created(id=actions.create_site(db, actor, new).id)


@router.patch("/sites/{site_id}", status_code=204, responses=_ABSENT | _CONFLICT)
def change_site(actor: Keeper, db: Db, site_id: Id, new: schemas.SiteChange) -> None:
    actions.change_site(db, actor, site_id, new)


@router.post("/sites/{site_id}/archive", status_code=204, responses=_ABSENT)
def archive_site(actor: Keeper, db: Db, site_id: Id) -> None:
    actions.archive_site(db, actor, site_id, True)


@router.post("/sites/{site_id}/restore", status_code=204, responses=_ABSENT)
def restore_site(actor: Keeper, db: Db, site_id: Id) -> None:
    actions.archive_site(db, actor, site_id, False)


@router.get("/models", response_model=Page[schemas.ModelItem])
async def models(
    asking: Annotated[Asking, lists(READ)],
    filters: Annotated[schemas.ModelFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await asking.page(lambda db, _: queries.models(db, limit, cursor, filters))


@router.post("/models", status_code=201, responses=_CONFLICT)
def create_model(actor: Keeper, db: Db, new: schemas.NewModel) -> schemas.Created:
    return schemas.Created(id=actions.create_model(db, actor, new).id)


@router.patch("/models/{model_id}", status_code=204, responses=_ABSENT | _CONFLICT)
def change_model(actor: Keeper, db: Db, model_id: Id, new: schemas.ModelChange) -> None:
    actions.change_model(db, actor, model_id, new)


@router.post("/models/{model_id}/archive", status_code=204, responses=_ABSENT)
def archive_model(actor: Keeper, db: Db, model_id: Id) -> None:
    actions.archive_model(db, actor, model_id, True)


@router.post("/models/{model_id}/restore", status_code=204, responses=_ABSENT)
def restore_model(actor: Keeper, db: Db, model_id: Id) -> None:
    actions.archive_model(db, actor, model_id, False)


@router.get("/columns", response_model=Page[schemas.ColumnItem])
async def columns(
    asking: Annotated[Asking, lists(READ)],
    filters: Annotated[schemas.ColumnFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await asking.page(lambda db, _: queries.columns(db, limit, cursor, filters))


@router.post("/columns", status_code=201, responses=_CONFLICT)
def create_column(actor: Keeper, db: Db, new: schemas.NewColumn) -> schemas.Created:
    return schemas.Created(id=actions.create_column(db, actor, new).id)


@router.patch("/columns/{column_id}", status_code=204, responses=_ABSENT | _CONFLICT)
def change_column(actor: Keeper, db: Db, column_id: Id, new: schemas.ColumnChange) -> None:
    actions.change_column(db, actor, column_id, new)


@router.post("/columns/{column_id}/archive", status_code=204, responses=_ABSENT)
def archive_column(actor: Keeper, db: Db, column_id: Id) -> None:
    actions.archive_column(db, actor, column_id, True)


@router.post("/columns/{column_id}/restore", status_code=204, responses=_ABSENT)
def restore_column(actor: Keeper, db: Db, column_id: Id) -> None:
    actions.archive_column(db, actor, column_id, False)
