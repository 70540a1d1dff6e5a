"""HTTP routes of a terminal."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import RESPONSES
from service.fleet.terminals import actions, queries, schemas

router = APIRouter(
    prefix="/api/fleet/terminals",
    tags=["fleet"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 422, 503)},
)
Id = Annotated[int, Path(ge=1, lt=2**63)]
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_NOT_FOUND_OR_CONFLICT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404], 409: RESPONSES[409]}


@router.get("/choices")
def choices(actor: Annotated[Actor, allow("fleet:terminal:read")], db: Db) -> schemas.Choices:
    """The tags and firmware versions of the terminals in use, for select boxes."""
    return queries.choices(db)


@router.post("/tags", responses=_NOT_FOUND_OR_CONFLICT)
def retag(actor: Annotated[Actor, allow("fleet:terminal:update")], db: Db, new: schemas.TagChange) -> schemas.Changed:
    """Changes the tags of the selected terminals, or of all that match the filters."""
    return schemas.Changed(changed=actions.retag(db, actor, new))


@router.get("/{terminal_id}", responses=_NOT_FOUND)
def terminal(actor: Annotated[Actor, allow("fleet:terminal:read")], db: Db, terminal_id: Id) -> schemas.TerminalDetail:
    return queries.terminal(db, terminal_id)


@router.patch("/{terminal_id}", responses=_NOT_FOUND_OR_CONFLICT)
def change(
    actor: Annotated[Actor, allow("fleet:terminal:update")], db: Db, terminal_id: Id, new: schemas.TerminalChange
) -> schemas.TerminalDetail:
    actions.change(db, actor, terminal_id, new)
    return _detail(db, terminal_id)


@router.post("/{terminal_id}/archive", responses=_NOT_FOUND)
def archive(actor: Annotated[Actor, allow("fleet:terminal:update")], db: Db, terminal_id: Id) -> schemas.TerminalDetail:
    """An archived terminal is left out of the lists and keeps its history; its agent's token is revoked."""
    actions.archive(db, actor, terminal_id)
    return _detail(db, terminal_id)


@router.post("/{terminal_id}/restore", responses=_NOT_FOUND_OR_CONFLICT)
def restore(actor: Annotated[Actor, allow("fleet:terminal:update")], db: Db, terminal_id: Id) -> schemas.TerminalDetail:
    actions.restore(db, actor, terminal_id)
    return _detail(db, terminal_id)


def _detail(db: Db, terminal_id: int) -> schemas.TerminalDetail:
    db.flush()
    return queries.terminal(db, terminal_id)
