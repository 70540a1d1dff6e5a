"""HTTP routes of partner shops."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from service.core import resources
from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.core.routing.replica_reads import ReadDb
from service.reservations.services.schemas import History
from service.reservations.shops import actions, exports, queries, schemas

PERMISSIONS = resources.Permissions(
    "reservations:shop:read", "reservations:shop:create", "reservations:shop:update", "reservations:shop:update"
)
Reader = Annotated[Actor, allow(PERMISSIONS.read)]
Editor = Annotated[Actor, allow(PERMISSIONS.update)]
router = APIRouter(prefix="/api/reservations", tags=["reservations"], responses=refusals(400, 401, 403, 422, 503))

routes.add_export_routes(router, "/shops", exports.SHOPS)


@router.get("/shops/summary")
def summary(actor: Reader, db: ReadDb) -> schemas.Summary:
    """The number of shops, and of those that need attention."""
    return queries.summary(db)


resources.add_routes(
    router,
    "/shops",
    actions.SHOPS,
    PERMISSIONS,
    resources.Reads(schemas.ShopItem, schemas.ShopFilters, queries.shops, one=queries.shop_detail),
)


@router.get("/shops/{shop_id}/history", responses=refusals(404))
def history(actor: Reader, db: ReadDb, shop_id: resources.PathId) -> History:
    """The history of the shop, the newest first."""
    return queries.history(db, shop_id)


@router.post("/shops/{shop_id}/blacklist", status_code=204, responses=refusals(404, 409))
def blacklist(actor: Editor, db: Db, shop_id: resources.PathId, why: schemas.Why) -> None:
    """利用停止: the shop is not called any more."""
    actions.blacklist(db, actor, shop_id, why.reason)


@router.post("/shops/{shop_id}/lift", status_code=204, responses=refusals(404, 409))
def lift(actor: Editor, db: Db, shop_id: resources.PathId, why: schemas.Why) -> None:
    """Ends the 利用停止."""
    actions.lift(db, actor, shop_id, why.reason)


@router.get("/services/{service_id}/shops", responses=refusals(404))
def order(actor: Reader, db: Db, service_id: resources.PathId) -> schemas.Order:
    """The shops of a service in the order of calls."""
    return queries.call_order(db, service_id)


@router.put("/services/{service_id}/shops", status_code=204, responses=refusals(404, 409))
def arrange(actor: Editor, db: Db, service_id: resources.PathId, new: schemas.NewOrder) -> None:
    actions.arrange(db, actor, service_id, new)
