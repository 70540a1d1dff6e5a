"""Routes for 除去 and its undo."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import RESPONSES
from service.loaners.history import actions, schemas

_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: RESPONSES[status] for status in (400, 401, 403, 404, 409, 422, 503)
}
Id = Annotated[int, Path(ge=1, lt=2**63)]
router = APIRouter(prefix="/api/loaners/events", tags=["loaners"], responses=_REFUSALS)


@router.post("/{event_id}/mark", status_code=204)
def mark(
    actor: Annotated[Actor, allow("loaners:history:mark")], db: Db, event_id: Id, marking: schemas.Marking
) -> None:
    actions.mark(db, actor, event_id, marking.reason)


@router.post("/{event_id}/unmark", status_code=204)
def unmark(actor: Annotated[Actor, allow("loaners:history:mark")], db: Db, event_id: Id) -> None:
    actions.unmark(db, actor, event_id)
