"""The masters' routes: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.agencies.masters import actions, exports, queries, schemas
from service.agencies.schemas import Created
from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.lists import ListRequest, list_request

READ, UPDATE = "agencies:master:read", "agencies:master:update"
Reader = Annotated[Actor, allow(READ)]
Editor = Annotated[Actor, allow(UPDATE)]
router = APIRouter(prefix="/api/agencies", tags=["agencies"], responses=refusals(400, 401, 403, 422, 503))

routes.add_export_routes(router, "/choices", exports.CHOICES)
routes.add_export_routes(router, "/options", exports.OPTIONS)
routes.add_export_routes(router, "/carrier-fields", exports.CARRIER_FIELDS)


@router.get("/masters")
def masters(actor: Reader, db: Db) -> schemas.Masters:
    """The choices that forms offer, and the labels of all codes."""
    return schemas.Masters(**queries.masters(db))


@router.get("/choices", response_model=Page[schemas.ChoiceItem])
async def choices(
    page_request: Annotated[ListRequest, list_request(READ)],
    filters: Annotated[schemas.ChoiceFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """選択肢マスタ (9)."""
    return await page_request.page(lambda db, _: queries.choices(db, limit, cursor, filters))


@router.post("/choices", status_code=201, responses=refusals(409))
def create_choice(actor: Editor, db: Db, new: schemas.NewChoice) -> Created:
    return Created(id=actions.create_choice(db, actor, new).id)


@router.patch("/choices/{choice_id}", status_code=204, responses=refusals(404, 409))
def change_choice(actor: Editor, db: Db, choice_id: PathId, new: schemas.ChoiceChange) -> None:
    actions.change_choice(db, actor, choice_id, new)


@router.post("/choices/{choice_id}/archive", status_code=204, responses=refusals(404, 409))
def archive_choice(actor: Editor, db: Db, choice_id: PathId) -> None:
    actions.archive_choice(db, actor, choice_id, True)


@router.post("/choices/{choice_id}/restore", status_code=204, responses=refusals(404, 409))
def restore_choice(actor: Editor, db: Db, choice_id: PathId) -> None:
    actions.archive_choice(db, actor, choice_id, False)


@router.get("/options", response_model=Page[schemas.OptionItem])
async def options(
    page_request: Annotated[ListRequest, list_request(READ)],
    filters: Annotated[schemas.OptionFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """オプションサービスマスタ (8)."""
    return await page_request.page(lambda db, _: queries.options(db, limit, cursor, filters))


@router.post("/options", status_code=201, responses=refusals(409))
def create_option(actor: Editor, db: Db, new: schemas.NewOption) -> Created:
    return Created(id=actions.create_option(db, actor, new).id)


@router.patch("/options/{option_id}", status_code=204, responses=refusals(404, 409))
def change_option(actor: Editor, db: Db, option_id: PathId, new: schemas.OptionChange) -> None:
    actions.change_option(db, actor, option_id, new)


@router.post("/options/{option_id}/archive", status_code=204, responses=refusals(404))
def archive_option(actor: Editor, db: Db, option_id: PathId) -> None:
    actions.archive_option(db, actor, option_id, True)


@router.post("/options/{option_id}/restore", status_code=204, responses=refusals(404))
def restore_option(actor: Editor, db: Db, option_id: PathId) -> None:
    actions.archive_option(db, actor, option_id, False)


@router.get("/carrier-fields", response_model=Page[schemas.CarrierFieldItem])
async def carrier_fields(
    page_request: Annotated[ListRequest, list_request(READ)],
    filters: Annotated[schemas.CarrierFieldFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """元フィールド (2.4, 2.5)."""
    return await page_request.page(lambda db, _: queries.carrier_fields(db, limit, cursor, filters))


@router.post("/carrier-fields", status_code=201, responses=refusals(409))
def create_carrier_field(actor: Editor, db: Db, new: schemas.NewCarrierField) -> Created:
    return Created(id=actions.create_carrier_field(db, actor, new).id)


@router.patch("/carrier-fields/{field_id}", status_code=204, responses=refusals(404, 409))
def change_carrier_field(actor: Editor, db: Db, field_id: PathId, new: schemas.CarrierFieldChange) -> None:
    actions.change_carrier_field(db, actor, field_id, new)


@router.post("/carrier-fields/{field_id}/archive", status_code=204, responses=refusals(404))
def archive_carrier_field(actor: Editor, db: Db, field_id: PathId) -> None:
    actions.archive_carrier_field(db, actor, field_id, True)


@router.post("/carrier-fields/{field_id}/restore", status_code=204, responses=refusals(404))
def restore_carrier_field(actor: Editor, db: Db, field_id: PathId) -> None:
    actions.archive_carrier_field(db, actor, field_id, False)
