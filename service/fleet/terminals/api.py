"""HTTP routes of a terminal."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.fleet.terminals import actions, queries, schemas

router = APIRouter(prefix="/api/fleet/terminals", tags=["fleet"], responses=refusals(400, 401, 403, 422, 503))
Reader = Annotated[Actor, allow("fleet:terminal:read")]
Editor = Annotated[Actor, allow("fleet:terminal:update")]


@router.get("/choices")
def choices(actor: Reader, db: Db) -> schemas.Choices:
    """The tags and firmware versions of the terminals in use, for select boxes."""
    return queries.choices(db)


@router.post("/tags", responses=refusals(404, 409))
def retag(actor: Editor, db: Db, new: schemas.TagChange) -> schemas.Changed:
    """Changes the tags of the selected terminals, or of all that match the filters."""
    return schemas.Changed(changed=actions.retag(db, actor, new))


@router.get("/{terminal_id}", responses=refusals(404))
def terminal(actor: Reader, db: Db, terminal_id: PathId) -> schemas.TerminalDetail:
    return queries.terminal(db, terminal_id)


@router.patch("/{terminal_id}", responses=refusals(404, 409))
def change(actor: Editor, db: Db, terminal_id: PathId, new: schemas.TerminalChange) -> schemas.TerminalDetail:
    actions.change(db, actor, terminal_id, new)
    return _detail(db, terminal_id)


@router.post("/{terminal_id}/archive", responses=refusals(404))
def archive(actor: Editor, db: Db, terminal_id: PathId) -> schemas.TerminalDetail:
    """An archived terminal is left out of the lists and keeps its history; its agent's token is revoked."""
    actions.archive(db, actor, terminal_id)
    return _detail(db, terminal_id)


@router.post("/{terminal_id}/restore", responses=refusals(404, 409))
def restore(actor: Editor, db: Db, terminal_id: PathId) -> schemas.TerminalDetail:
    actions.restore(db, actor, terminal_id)
    return _detail(db, terminal_id)


def _detail(db: Db, terminal_id: int) -> schemas.TerminalDetail:
    db.flush()
    return queries.terminal(db, terminal_id)
