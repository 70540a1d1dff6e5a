"""Routes of the queue."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core import edits
from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.replica_reads import ReadDb
from service.reservations.queue import actions, exports, queries, schemas

READ = "reservations:operation:read"
Reader = Annotated[Actor, allow(READ)]
Worker = Annotated[Actor, allow("reservations:operation:update")]
router = APIRouter(
    prefix="/api/reservations/operations",
    tags=["reservations"],
    responses=refusals(400, 401, 403, 422, 503),
)

routes.add_export_routes(router, "", exports.OPERATIONS)


@router.get("")
def operations(
    actor: Reader,
    db: Db,
    filters: Annotated[schemas.OperationFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.OperationItem]:
    """Ordered by due time."""
    return queries.operations(db, actor, limit, cursor, filters)


@router.get("/counts")
def counts(actor: Reader, db: ReadDb) -> schemas.Counts:
    return queries.counts(db, actor)


@router.get("/{operation_id}", responses=refusals(404))
def operation(actor: Reader, db: Db, operation_id: PathId) -> schemas.OperationDetail:
    return queries.operation_detail(db, operation_id)


@router.post("/{operation_id}/claim", responses=refusals(404, 409))
def claim(actor: Worker, db: Db, operation_id: PathId, new: edits.Edit) -> schemas.OperationDetail:
    """自分が対応する."""
    actions.claim(db, actor, operation_id, new)
    return queries.operation_detail(db, operation_id)


@router.post("/{operation_id}/hand-over", responses=refusals(404, 409))
def hand_over(actor: Worker, db: Db, operation_id: PathId, new: schemas.HandOver) -> schemas.OperationDetail:
    actions.hand_over(db, actor, operation_id, new)
    return queries.operation_detail(db, operation_id)


@router.post("/{operation_id}/release", responses=refusals(404, 409))
def release(actor: Worker, db: Db, operation_id: PathId, new: edits.Edit) -> schemas.OperationDetail:
    actions.release(db, actor, operation_id, new)
    return queries.operation_detail(db, operation_id)


@router.post("/{operation_id}/notes", status_code=201, responses=refusals(404))
def note(actor: Worker, db: Db, operation_id: PathId, new: schemas.NewNote) -> schemas.OperationDetail:
    actions.note(db, actor, operation_id, new)
    return queries.operation_detail(db, operation_id)


@router.post("/{operation_id}/resolution", responses=refusals(404, 409))
def resolve(actor: Worker, db: Db, operation_id: PathId, new: schemas.Resolution) -> schemas.OperationDetail:
    """対応を完了する."""
    actions.resolve(db, actor, operation_id, new)
    return queries.operation_detail(db, operation_id)
