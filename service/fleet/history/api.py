"""HTTP routes for a terminal's metrics and timeline."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit
from service.core.http.problem_responses import RESPONSES
from service.core.routing.replica_reads import ReadDb
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
    """The readings of the last day, week, month or year, one point per chart step."""
    return queries.metrics(db, terminal_id, hours)


@router.get("/{terminal_id}/timeline")
def timeline(
    actor: Annotated[Actor, allow("fleet:terminal:read")],
    db: ReadDb,
    terminal_id: Id,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> schemas.Timeline:
    """The events of the terminal and of its incidents, newest first."""
    return queries.timeline(db, terminal_id, limit, cursor)
