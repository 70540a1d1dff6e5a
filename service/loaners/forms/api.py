"""Routes of forms."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.resources import Created, PathId
from service.loaners.forms import actions, queries, schemas
from service.loaners.rules import Kind

router = APIRouter(prefix="/api/loaners/forms", tags=["loaners"], responses=refusals(400, 401, 403, 404, 422, 503))


@router.get("")
def forms(actor: Annotated[Actor, allow("loaners:form:read")], db: Db, kind: Kind | None = None) -> schemas.Forms:
    return queries.versions(db, kind)


@router.post("", status_code=201, responses=refusals(409))
def draft(actor: Annotated[Actor, allow("loaners:form:update")], db: Db, new: schemas.NewDraft) -> Created:
    return Created(id=actions.draft(db, actor, new.kind).id)


@router.get("/{form_id}")
def form(actor: Annotated[Actor, allow("loaners:form:read")], db: Db, form_id: PathId) -> schemas.FormInFull:
    return queries.form_detail(db, form_id)


@router.patch("/{form_id}", status_code=204, responses=refusals(409))
def change(
    actor: Annotated[Actor, allow("loaners:form:update")], db: Db, form_id: PathId, new: schemas.DraftChange
) -> None:
    actions.change(db, actor, form_id, new)


@router.delete("/{form_id}", status_code=204, responses=refusals(409))
def discard(actor: Annotated[Actor, allow("loaners:form:update")], db: Db, form_id: PathId) -> None:
    actions.discard(db, actor, form_id)


@router.post("/{form_id}/publish", status_code=204, responses=refusals(409))
def publish(
    actor: Annotated[Actor, allow("loaners:form:update")], db: Db, form_id: PathId, publication: schemas.Publication
) -> None:
    actions.publish(db, actor, form_id, publication)
