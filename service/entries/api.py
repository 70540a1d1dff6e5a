"""Routes of nurseries, parents and children."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from service.core import resources
from service.core.access import password_hashing
from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.short_transactions import allow_without_transaction, short_transaction
from service.core.values.texts import RecordId
from service.entries import actions, exports, queries, schemas

router = APIRouter(prefix="/api/entries", tags=["entries"], responses=refusals(400, 401, 403, 422, 503))

routes.add_export_routes(router, "/parents", exports.PARENTS, refusals(404))
routes.add_export_routes(router, "/children", exports.CHILDREN, refusals(404))
resources.add_routes(
    router,
    "/nurseries",
    actions.NURSERIES,
    resources.Permissions(
        read="entries:nursery:read",
        create="entries:nursery:create",
        update="entries:nursery:update",
        archive="entries:nursery:create",
    ),
    resources.Reads(schemas.NurseryItem, schemas.NurseryFilters, partial(queries.page, queries.NURSERIES)),
)
resources.add_routes(
    router,
    "/parents",
    actions.PARENTS,
    resources.Permissions.of("entries:parent:read", "entries:parent:update"),
    resources.Reads(
        schemas.ParentItem,
        schemas.ParentFilters,
        partial(queries.page, queries.PARENTS),
        one=queries.parent_detail,
        may_lag=True,
    ),
    refused=resources.Refused(list_and_create=(404,)),
)
resources.add_routes(
    router,
    "/children",
    actions.CHILDREN,
    resources.Permissions.of("entries:child:read", "entries:child:update"),
    resources.Reads(
        schemas.ChildItem,
        schemas.ChildFilters,
        partial(queries.page, queries.CHILDREN),
        one=queries.child_detail,
        may_lag=True,
    ),
    refused=resources.Refused(list_and_create=(404,)),
)


class LoggedOut(BaseModel):
    """Stations that were running and have to log in again."""

    stations: int


@router.put("/nurseries/{nursery_id}/station-password", responses=refusals(404))
async def set_station_password(
    actor: Annotated[Actor, allow_without_transaction("entries:nursery:update")],
    request: Request,
    nursery_id: PathId,
    new: schemas.NewStationPassword,
) -> LoggedOut:
    """AR-EL-002."""
    hashed = await password_hashing.hash_password(new.password.get_secret_value()) if new.password else None
    ended = await short_transaction(
        request, actor.scopes, lambda db: actions.set_station_password(db, actor, nursery_id, hashed)
    )
    return LoggedOut(stations=ended)


@router.get("/nursery", responses=refusals(404))
def nursery(
    actor: Annotated[Actor, allow("entries:nursery:read")],
    db: Db,
    nursery_id: Annotated[RecordId | None, Query()] = None,
) -> schemas.NurseryItem:
    """The requested nursery, or the first one that the user may see."""
    return queries.nursery_detail(db, actor, nursery_id)


@router.get("/people", responses=refusals(404))
def people(
    actor: Annotated[Actor, allow("entries:parent:read")],
    db: Db,
    nursery_id: Annotated[RecordId | None, Query()] = None,
) -> schemas.People:
    """Counts parents and children, and those that lack a card, a mail address or a parent."""
    return queries.count_people(db, actor, nursery_id)
