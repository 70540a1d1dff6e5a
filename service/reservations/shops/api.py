"""The partner shops' routes: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.exports import doors
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES
from service.core.reading import ReadDb
from service.reservations.services.schemas import Created, History
from service.reservations.shops import actions, exports, queries, schemas

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 422, 503)}
_ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_CONFLICT: dict[int | str, dict[str, Any]] = {409: RESPONSES[409]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
READ = "reservations:shop:read"
Reader = Annotated[Actor, allow(READ)]
Keeper = Annotated[Actor, allow("reservations:shop:update")]
router = APIRouter(prefix="/api/reservations", tags=["reservations"], responses=_REFUSALS)

doors.add(router, "/shops", exports.SHOPS)


@router.get("/shops", response_model=Page[schemas.ShopItem])
async def shops(
    asking: Annotated[Asking, lists(READ)],
    filters: Annotated[schemas.ShopFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await asking.page(lambda db, _: queries.shops(db, limit, cursor, filters))


@router.get("/shops/summary")
def summary(actor: Reader, db: ReadDb) -> schemas.Summary:
    """How many there are, and what of them needs attention."""
    return schemas.Summary.model_validate(queries.summary(db))


@router.post("/shops", status_code=201, responses=_CONFLICT)
def create(actor: Annotated[Actor, allow("reservations:shop:create")], db: Db, new: schemas.NewShop) -> Created:
    return Created(id=actions.create(db, actor, new).id)


@router.get("/shops/{shop_id}", responses=_ABSENT)
def shop(actor: Reader, db: Db, shop_id: Id) -> schemas.ShopItem:
    return schemas.ShopItem.model_validate(queries.shop_in_full(db, shop_id))


@router.get("/shops/{shop_id}/history", responses=_ABSENT)
def history(actor: Reader, db: ReadDb, shop_id: Id) -> History:
    """Newest first."""
    return History.model_validate(queries.history(db, shop_id))


@router.patch("/shops/{shop_id}", status_code=204, responses=_ABSENT | _CONFLICT)
def change(actor: Keeper, db: Db, shop_id: Id, new: schemas.ShopChange) -> None:
    actions.change(db, actor, shop_id, new)


@router.post("/shops/{shop_id}/archive", status_code=204, responses=_ABSENT)
def archive(actor: Keeper, db: Db, shop_id: Id) -> None:
    actions.archive(db, actor, shop_id, True)


@router.post("/shops/{shop_id}/restore", status_code=204, responses=_ABSENT)
def restore(actor: Keeper, db: Db, shop_id: Id) -> None:
    actions.archive(db, actor, shop_id, False)


@router.post("/shops/{shop_id}/blacklist", status_code=204, responses=_ABSENT | _CONFLICT)
def blacklist(actor: Keeper, db: Db, shop_id: Id, why: schemas.Why) -> None:
    """利用停止: it is called no more."""
    actions.blacklist(db, actor, shop_id, why.reason)


@router.post("/shops/{shop_id}/lift", status_code=204, responses=_ABSENT | _CONFLICT)
def lift(actor: Keeper, db: Db, shop_id: Id, why: schemas.Why) -> None:
    """The end of a 利用停止."""
    actions.lift(db, actor, shop_id, why.reason)


@router.get("/services/{service_id}/shops", responses=_ABSENT)
def order(actor: Reader, db: Db, service_id: Id) -> schemas.Order:
    """Who is called for a service, from the first to the last."""
    return schemas.Order.model_validate(queries.order(db, service_id))


@router.put("/services/{service_id}/shops", status_code=204, responses=_ABSENT | _CONFLICT)
def arrange(actor: Keeper, db: Db, service_id: Id, new: schemas.NewOrder) -> None:
    actions.arrange(db, actor, service_id, new)
