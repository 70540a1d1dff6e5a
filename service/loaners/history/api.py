"""Routes for 除去 and its undo."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.loaners.history import actions, schemas

router = APIRouter(
    prefix="/api/loaners/events", tags=["loaners"], responses=refusals(400, 401, 403, 404, 409, 422, 503)
)


@router.post("/{event_id}/mark", status_code=204)
def mark(
    actor: Annotated[Actor, allow("loaners:history:mark")], db: Db, event_id: PathId, marking: schemas.Marking
) -> None:
    actions.mark(db, actor, event_id, marking.reason)


@router.post("/{event_id}/unmark", status_code=204)
def unmark(actor: Annotated[Actor, allow("loaners:history:mark")], db: Db, event_id: PathId) -> None:
    actions.unmark(db, actor, event_id)
