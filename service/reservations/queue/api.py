"""Routes of the queue."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from service.core import edits
from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import RESPONSES
from service.core.routing.lists import ListRequest, list_request
from service.core.routing.replica_reads import ReadDb
from service.reservations.queue import actions, exports, queries, schemas

_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_NOT_FOUND_OR_CONFLICT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404], 409: RESPONSES[409]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
READ = "reservations:operation:read"
Reader = Annotated[Actor, allow(READ)]
Worker = Annotated[Actor, allow("reservations:operation:update")]
router = APIRouter(
    prefix="/api/reservations/operations",
    tags=["reservations"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 422, 503)},
)

routes.add_export_routes(router, "", exports.OPERATIONS)


@router.get("", response_model=Page[schemas.OperationItem])
async def operations(
    request: Annotated[ListRequest, list_request(READ)],
    filters: Annotated[schemas.OperationFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Ordered by due time."""
    return await request.page(lambda db, actor: queries.operations(db, actor, limit, cursor, filters))


@router.get("/counts")
def counts(actor: Reader, db: ReadDb) -> schemas.Counts:
    return schemas.Counts.model_validate(queries.counts(db, actor))


@router.get("/{operation_id}", responses=_NOT_FOUND)
def operation(actor: Reader, db: Db, operation_id: Id) -> schemas.OperationDetail:
    return _detail(db, operation_id)


@router.post("/{operation_id}/claim", responses=_NOT_FOUND_OR_CONFLICT)
def claim(actor: Worker, db: Db, operation_id: Id, new: edits.Edit) -> schemas.OperationDetail:
    """自分が対応する."""
    actions.claim(db, actor, operation_id, new)
    return _detail(db, operation_id)


@router.post("/{operation_id}/hand-over", responses=_NOT_FOUND_OR_CONFLICT)
def hand_over(actor: Worker, db: Db, operation_id: Id, new: schemas.HandOver) -> schemas.OperationDetail:
    actions.hand_over(db, actor, operation_id, new)
    return _detail(db, operation_id)


@router.post("/{operation_id}/release", responses=_NOT_FOUND_OR_CONFLICT)
def release(actor: Worker, db: Db, operation_id: Id, new: edits.Edit) -> schemas.OperationDetail:
    actions.release(db, actor, operation_id, new)
    return _detail(db, operation_id)


@router.post("/{operation_id}/notes", status_code=201, responses=_NOT_FOUND)
def note(actor: Worker, db: Db, operation_id: Id, new: schemas.NewNote) -> schemas.OperationDetail:
    actions.note(db, actor, operation_id, new)
    return _detail(db, operation_id)


@router.post("/{operation_id}/resolution", responses=_NOT_FOUND_OR_CONFLICT)
def resolve(actor: Worker, db: Db, operation_id: Id, new: schemas.Resolution) -> schemas.OperationDetail:
    """対応を完了する."""
    actions.resolve(db, actor, operation_id, new)
    return _detail(db, operation_id)


def _detail(db: Db, operation_id: int) -> schemas.OperationDetail:
    return schemas.OperationDetail.model_validate(queries.operation_detail(db, operation_id))
