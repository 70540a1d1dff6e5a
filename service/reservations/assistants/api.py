"""Routes of the assistants' tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.reservations.assistants import actions, queries, schemas

router = APIRouter(prefix="/api/reservations", tags=["reservations"], responses=refusals(400, 401, 403, 422, 503))


@router.get("/assistants")
def assistants(
    actor: Annotated[Actor, allow("reservations:assistant:read")],
    db: Db,
    filters: Annotated[schemas.AssistantFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.AssistantItem]:
    return queries.assistants(db, limit, cursor, filters)


@router.post("/assistants", status_code=201)
def issue(
    actor: Annotated[Actor, allow("reservations:assistant:create")], db: Db, new: schemas.NewAssistant
) -> schemas.IssuedAssistant:
    """Only this response contains the token."""
    return actions.issue(db, actor, new)


@router.post("/assistants/{assistant_id}/revoke", status_code=204, responses=refusals(404))
def revoke(actor: Annotated[Actor, allow("reservations:assistant:revoke")], db: Db, assistant_id: PathId) -> None:
    """Takes effect immediately. Its reservations continue."""
    actions.revoke(db, actor, assistant_id)
