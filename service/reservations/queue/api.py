"""The queue's routes: permission, one call, answer."""

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
from service.reservations.queue import actions, exports, queries, schemas

_ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_EITHER: dict[int | str, dict[str, Any]] = {404: RESPONSES[404], 409: RESPONSES[409]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
READ = "reservations:operation:read"
Reader = Annotated[Actor, allow(READ)]
Worker = Annotated[Actor, allow("reservations:operation:update")]
router = APIRouter(
    prefix="/api/reservations/operations",
    tags=["reservations"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 422, 503)},
)

doors.add(router, "", exports.OPERATIONS)


@router.get("", response_model=Page[schemas.OperationItem])
async def operations(
    asking: Annotated[Asking, lists(READ)],
    filters: Annotated[schemas.OperationFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What is due next comes first."""
    return await asking.page(lambda db, actor: queries.operations(db, actor, limit, cursor, filters))


@router.get("/counts")
def counts(actor: Reader, db: ReadDb) -> schemas.Counts:
    return schemas.Counts.model_validate(queries.counts(db, actor))


@router.get("/{operation_id}", responses=_ABSENT)
def operation(actor: Reader, db: Db, operation_id: Id) -> schemas.OperationDetail:
    return _now(db, operation_id)


@router.post("/{operation_id}/claim", responses=_EITHER)
def claim(actor: Worker, db: Db, operation_id: Id, new: schemas.Edit) -> schemas.OperationDetail:
    """自分が対応する."""
    actions.claim(db, actor, operation_id, new)
    return _now(db, operation_id)


@router.post("/{operation_id}/hand-over", responses=_EITHER)
def hand_over(actor: Worker, db: Db, operation_id: Id, new: schemas.HandOver) -> schemas.OperationDetail:
    actions.hand_over(db, actor, operation_id, new)
    return _now(db, operation_id)


@router.post("/{operation_id}/release", responses=_EITHER)
def release(actor: Worker, db: Db, operation_id: Id, new: schemas.Edit) -> schemas.OperationDetail:
    actions.release(db, actor, operation_id, new)
    return _now(db, operation_id)


@router.post("/{operation_id}/notes", status_code=201, responses=_ABSENT)
def note(actor: Worker, db: Db, operation_id: Id, new: schemas.NewNote) -> schemas.OperationDetail:
    actions.note(db, actor, operation_id, new)
    return _now(db, operation_id)


@router.post("/{operation_id}/resolution", responses=_EITHER)
def resolve(actor: Worker, db: Db, operation_id: Id, new: schemas.Resolution) -> schemas.OperationDetail:
    """対応を完了する."""
    actions.resolve(db, actor, operation_id, new)
    return _now(db, operation_id)


def _now(db: Db, operation_id: int) -> schemas.OperationDetail:
    return schemas.OperationDetail.model_validate(queries.operation_in_full(db, operation_id))
