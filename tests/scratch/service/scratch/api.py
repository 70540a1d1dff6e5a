"""Scratch: api."""

from typing import Annotated

from fastapi import APIRouter
from service.scratch import actions, exports, queries, schemas

from service.core.access.auth import Actor, allow
from service.core.database.paging import Limit, Page
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.core.resources import PathId

router = APIRouter(prefix="/api/scratch", tags=["scratch"], responses=refusals(400, 401, 403, 404, 422, 503))


@router.get("/notes")
def notes(actor: Annotated[Actor, allow("scratch:note:read")], db: Db, limit: Limit = 50) -> Page[schemas.NoteItem]:
    return Page[schemas.NoteItem].model_validate(queries.notes(db, limit), from_attributes=True)


routes.add_export_routes(router, "/notes", exports.NOTES)


@router.get("/notes/{note_id}")
def note(actor: Annotated[Actor, allow("scratch:note:read")], db: Db, note_id: PathId) -> schemas.NoteItem:
    return schemas.NoteItem.model_validate(queries.get_note(db, note_id))


@router.patch("/notes/{note_id}")
def rewrite(
    actor: Annotated[Actor, allow("scratch:note:update")], db: Db, note_id: PathId, new: schemas.NoteText
) -> schemas.NoteItem:
    return schemas.NoteItem.model_validate(actions.rewrite(db, actor, note_id, new.text))
