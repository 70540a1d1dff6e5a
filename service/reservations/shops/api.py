"""HTTP routes of partner shops."""

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
from service.core.routing.replica_reads import ReadDb
from service.reservations.services.schemas import Created, History
from service.reservations.shops import actions, exports, queries, schemas

READ = "reservations:shop:read"
Reader = Annotated[Actor, allow(READ)]
Editor = Annotated[Actor, allow("reservations:shop:update")]
router = APIRouter(prefix="/api/reservations", tags=["reservations"], responses=refusals(400, 401, 403, 422, 503))

routes.add_export_routes(router, "/shops", exports.SHOPS)


@router.get("/shops", response_model=Page[schemas.ShopItem])
async def shops(
    request: Annotated[ListRequest, list_request(READ)],
    filters: Annotated[schemas.ShopFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await request.page(lambda db, _: queries.shops(db, limit, cursor, filters))


@router.get("/shops/summary")
def summary(actor: Reader, db: ReadDb) -> schemas.Summary:
    """The number of shops, and of those that need attention."""
    return queries.summary(db)


@router.post("/shops", status_code=201, responses=refusals(409))
def create(actor: Annotated[Actor, allow("reservations:shop:create")], db: Db, new: schemas.NewShop) -> Created:
    return Created(id=actions.create(db, actor, new).id)


@router.get("/shops/{shop_id}", responses=refusals(404))
def shop(actor: Reader, db: Db, shop_id: PathId) -> schemas.ShopItem:
    return queries.shop_detail(db, shop_id)


@router.get("/shops/{shop_id}/history", responses=refusals(404))
def history(actor: Reader, db: ReadDb, shop_id: PathId) -> History:
    """The history of the shop, the newest first."""
    return queries.history(db, shop_id)


@router.patch("/shops/{shop_id}", status_code=204, responses=refusals(404, 409))
def change(actor: Editor, db: Db, shop_id: PathId, new: schemas.ShopChange) -> None:
    actions.change(db, actor, shop_id, new)


@router.post("/shops/{shop_id}/archive", status_code=204, responses=refusals(404))
def archive(actor: Editor, db: Db, shop_id: PathId) -> None:
    actions.archive(db, actor, shop_id, True)


@router.post("/shops/{shop_id}/restore", status_code=204, responses=refusals(404))
def restore(actor: Editor, db: Db, shop_id: PathId) -> None:
    actions.archive(db, actor, shop_id, False)


@router.post("/shops/{shop_id}/blacklist", status_code=204, responses=refusals(404, 409))
def blacklist(actor: Editor, db: Db, shop_id: PathId, why: schemas.Why) -> None:
    """利用停止: the shop is not called any more."""
    actions.blacklist(db, actor, shop_id, why.reason)


@router.post("/shops/{shop_id}/lift", status_code=204, responses=refusals(404, 409))
def lift(actor: Editor, db: Db, shop_id: PathId, why: schemas.Why) -> None:
    """Ends the 利用停止."""
    actions.lift(db, actor, shop_id, why.reason)


@router.get("/services/{service_id}/shops", responses=refusals(404))
def order(actor: Reader, db: Db, service_id: PathId) -> schemas.Order:
    """The shops of a service in the order of calls."""
    return queries.call_order(db, service_id)


@router.put("/services/{service_id}/shops", status_code=204, responses=refusals(404, 409))
def arrange(actor: Editor, db: Db, service_id: PathId, new: schemas.NewOrder) -> None:
    actions.arrange(db, actor, service_id, new)
