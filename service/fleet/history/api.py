"""HTTP routes for a terminal's metrics and timeline."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.replica_reads import ReadDb
from service.fleet.history import queries, schemas
from service.fleet.history.rules import Hours

router = APIRouter(prefix="/api/fleet/terminals", tags=["fleet"], responses=refusals(400, 401, 403, 404, 422, 503))


@router.get("/{terminal_id}/metrics")
def metrics(
    actor: Annotated[Actor, allow("fleet:terminal:read")], db: ReadDb, terminal_id: PathId, hours: Hours = Hours.DAY
) -> schemas.Metrics:
    """The readings of the last day, week, month or year, one point per chart step."""
    return queries.metrics(db, terminal_id, hours)


@router.get("/{terminal_id}/timeline")
def timeline(
    actor: Annotated[Actor, allow("fleet:terminal:read")],
    db: ReadDb,
    terminal_id: PathId,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> schemas.Timeline:
    """The events of the terminal and of its incidents, newest first."""
    return queries.timeline(db, terminal_id, limit, cursor)
