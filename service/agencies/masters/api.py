"""The masters' routes: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from service.agencies.masters import actions, exports, queries, schemas
from service.agencies.schemas import Created
from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.exports import doors
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 422, 503)}
_ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_CONFLICT: dict[int | str, dict[str, Any]] = {409: RESPONSES[409]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
READ, UPDATE = "agencies:master:read", "agencies:master:update"
Reader = Annotated[Actor, allow(READ)]
Keeper = Annotated[Actor, allow(UPDATE)]
router = APIRouter(prefix="/api/agencies", tags=["agencies"], responses=_REFUSALS)

doors.add(router, "/choices", exports.CHOICES)
doors.add(router, "/options", exports.OPTIONS)
doors.add(router, "/carrier-fields", exports.CARRIER_FIELDS)


@router.get("/masters")
def masters(actor: Reader, db: Db) -> schemas.Masters:
    """What forms offer, and the words of all codes."""
    return schemas.Masters(**queries.masters(db))


@router.get("/choices", response_model=Page[schemas.ChoiceItem])
async def choices(
    asking: Annotated[Asking, lists(READ)],
    filters: Annotated[schemas.ChoiceFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """選択肢マスタ (9)."""
    return await asking.page(lambda db, _: queries.choices(db, limit, cursor, filters))


@router.post("/choices", status_code=201, responses=_CONFLICT)
def create_choice(actor: Keeper, db: Db, new: schemas.NewChoice) -> Created:
    return Created(id=actions.create_choice(db, actor, new).id)


@router.patch("/choices/{choice_id}", status_code=204, responses=_ABSENT | _CONFLICT)
def change_choice(actor: Keeper, db: Db, choice_id: Id, new: schemas.ChoiceChange) -> None:
    actions.change_choice(db, actor, choice_id, new)


@router.post("/choices/{choice_id}/archive", status_code=204, responses=_ABSENT | _CONFLICT)
def archive_choice(actor: Keeper, db: Db, choice_id: Id) -> None:
    actions.archive_choice(db, actor, choice_id, True)


@router.post("/choices/{choice_id}/restore", status_code=204, responses=_ABSENT | _CONFLICT)
def restore_choice(actor: Keeper, db: Db, choice_id: Id) -> None:
    actions.archive_choice(db, actor, choice_id, False)


@router.get("/options", response_model=Page[schemas.OptionItem])
async def options(
    asking: Annotated[Asking, lists(READ)],
    filters: Annotated[schemas.OptionFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """オプションサービスマスタ (8)."""
    return await asking.page(lambda db, _: queries.options(db, limit, cursor, filters))


@router.post("/options", status_code=201, responses=_CONFLICT)
def create_option(actor: Keeper, db: Db, new: schemas.NewOption) -> Created:
    return Created(id=actions.create_option(db, actor, new).id)


@router.patch("/options/{option_id}", status_code=204, responses=_ABSENT | _CONFLICT)
def change_option(actor: Keeper, db: Db, option_id: Id, new: schemas.OptionChange) -> None:
    actions.change_option(db, actor, option_id, new)


@router.post("/options/{option_id}/archive", status_code=204, responses=_ABSENT)
def archive_option(actor: Keeper, db: Db, option_id: Id) -> None:
    actions.archive_option(db, actor, option_id, True)


@router.post("/options/{option_id}/restore", status_code=204, responses=_ABSENT)
def restore_option(actor: Keeper, db: Db, option_id: Id) -> None:
    actions.archive_option(db, actor, option_id, False)


@router.get("/carrier-fields", response_model=Page[schemas.CarrierFieldItem])
async def carrier_fields(
    asking: Annotated[Asking, lists(READ)],
    filters: Annotated[schemas.CarrierFieldFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """元フィールド (2.4, 2.5)."""
    return await asking.page(lambda db, _: queries.carrier_fields(db, limit, cursor, filters))


@router.post("/carrier-fields", status_code=201, responses=_CONFLICT)
def create_carrier_field(actor: Keeper, db: Db, new: schemas.NewCarrierField) -> Created:
    return Created(id=actions.create_carrier_field(db, actor, new).id)


@router.patch("/carrier-fields/{field_id}", status_code=204, responses=_ABSENT | _CONFLICT)
def change_carrier_field(actor: Keeper, db: Db, field_id: Id, new: schemas.CarrierFieldChange) -> None:
    actions.change_carrier_field(db, actor, field_id, new)


@router.post("/carrier-fields/{field_id}/archive", status_code=204, responses=_ABSENT)
def archive_carrier_field(actor: Keeper, db: Db, field_id: Id) -> None:
    actions.archive_carrier_field(db, actor, field_id, True)


@router.post("/carrier-fields/{field_id}/restore", status_code=204, responses=_ABSENT)
def restore_carrier_field(actor: Keeper, db: Db, field_id: Id) -> None:
    actions.archive_carrier_field(db, actor, field_id, False)
