"""Routes of requests, for sales."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.agencies.requests import actions as request_actions
from service.agencies.requests import queries as requests
from service.agencies.requests import schemas as request_schemas
from service.agencies.sales import actions, exports, queries, schemas
from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page, single_page
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.core.resources import Created, PathId
from service.core.routing.replica_reads import ReadDb

READ = "agencies:request:read"
Reader = Annotated[Actor, allow(READ)]
Sender = Annotated[Actor, allow("agencies:request:create")]
router = APIRouter(prefix="/api/agencies/requests", tags=["agencies"], responses=refusals(400, 401, 403, 422, 503))

routes.add_export_routes(router, "", exports.REQUESTS)


@router.get("")
def listed(
    actor: Reader,
    db: ReadDb,
    filters: Annotated[schemas.RequestFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.RequestItem]:
    """マイ依頼一覧."""
    return queries.listed(db, actor, limit, cursor, filters)


@router.post("", status_code=201, responses=refusals(404, 409))
def submit(actor: Sender, db: Db, new: schemas.NewRequest) -> Created:
    return Created(id=actions.submit(db, actor, new))


@router.post("/check", status_code=204, responses=refusals(404, 409))
def check(actor: Sender, db: Db, new: schemas.NewRequest) -> None:
    """Validates a request without storing it."""
    actions.check(db, actor, new)


@router.get("/counts")
def counts(actor: Reader, db: ReadDb) -> schemas.Counts:
    return queries.counts(db, actor)


@router.get("/{request_id}", responses=refusals(404))
def detail(actor: Reader, db: Db, request_id: PathId) -> schemas.RequestDetail:
    return queries.detail(db, actor, request_id)


@router.get("/{request_id}/images", responses=refusals(404))
def images(actor: Reader, db: Db, request_id: PathId) -> Page[schemas.ImageItem]:
    return single_page(queries.images(db, requests.get_request(db, actor, request_id)))


@router.post("/{request_id}/images", status_code=204, responses=refusals(404, 409))
def add_images(actor: Sender, db: Db, request_id: PathId, new: schemas.MoreImages) -> None:
    actions.add_images(db, actor, requests.get_request(db, actor, request_id, lock=True), new.images)


@router.get("/{request_id}/comments", responses=refusals(404))
def comments(actor: Reader, db: Db, request_id: PathId) -> Page[request_schemas.CommentItem]:
    return single_page(requests.comments(db, actor, requests.get_request(db, actor, request_id)))


@router.post("/{request_id}/comments", status_code=204, responses=refusals(404))
def comment(actor: Sender, db: Db, request_id: PathId, new: request_schemas.CommentText) -> None:
    request_actions.add_comment(db, actor, requests.get_request(db, actor, request_id, lock=True), new.message)


@router.get("/{request_id}/sites", responses=refusals(404))
def sites(actor: Reader, db: Db, request_id: PathId) -> Page[schemas.SiteItem]:
    return single_page(queries.sites(db, requests.get_request(db, actor, request_id)))


@router.post("/{request_id}/read", status_code=204, responses=refusals(404))
def read(actor: Reader, db: Db, request_id: PathId, new: request_schemas.ReadUpTo) -> None:
    request_actions.mark_read_up_to(db, actor, requests.get_request(db, actor, request_id), new.comment_id)


@router.post("/{request_id}/resubmit", status_code=204, responses=refusals(404, 409))
def resubmit(actor: Sender, db: Db, request_id: PathId, new: schemas.Correction) -> None:
    actions.resubmit(db, actor, requests.get_request(db, actor, request_id, lock=True), new)


@router.post("/{request_id}/cancel", status_code=204, responses=refusals(404, 409))
def cancel(
    actor: Annotated[Actor, allow("agencies:request:cancel")], db: Db, request_id: PathId, new: schemas.Reason
) -> None:
    actions.cancel(db, actor, requests.get_request(db, actor, request_id, lock=True), new.reason)
