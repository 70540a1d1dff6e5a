"""The history's routes: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from service.core.auth import Actor, allow
from service.core.paging import Cursor, Limit
from service.core.problems import RESPONSES
from service.core.reading import ReadDb
from service.fleet.history import queries, schemas
from service.fleet.history.rules import Hours

router = APIRouter(
    prefix="/api/fleet/terminals",
    tags=["fleet"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 404, 422, 503)},
)
Id = Annotated[int, Path(ge=1, lt=2**63)]


@router.get("/{terminal_id}/metrics")
def metrics(
    actor: Annotated[Actor, allow("fleet:terminal:read")], db: ReadDb, terminal_id: Id, hours: Hours = Hours.DAY
) -> schemas.Metrics:
    """The readings of the last day, week, month or year, in steps that a chart can show."""
    return schemas.Metrics.model_validate(queries.metrics(db, terminal_id, hours))


@router.get("/{terminal_id}/timeline")
def timeline(
    actor: Annotated[Actor, allow("fleet:terminal:read")],
    db: ReadDb,
    terminal_id: Id,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> schemas.Timeline:
    """What happened to the terminal and what was done about it, newest first."""
    return schemas.Timeline.model_validate(queries.timeline(db, terminal_id, limit, cursor))
