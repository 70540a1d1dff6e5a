"""The tokens' routes: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES
from service.reservations.assistants import actions, queries, schemas

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 422, 503)}
_ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
router = APIRouter(prefix="/api/reservations", tags=["reservations"], responses=_REFUSALS)


@router.get("/assistants", response_model=Page[schemas.AssistantItem])
async def assistants(
    asking: Annotated[Asking, lists("reservations:assistant:read")],
    filters: Annotated[schemas.AssistantFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await asking.page(lambda db, _: queries.assistants(db, limit, cursor, filters))


@router.post("/assistants", status_code=201)
def issue(
    actor: Annotated[Actor, allow("reservations:assistant:create")], db: Db, new: schemas.NewAssistant
) -> schemas.IssuedAssistant:
    """The answer alone shows the token."""
    return actions.issue(db, actor, new)


@router.post("/assistants/{assistant_id}/revoke", status_code=204, responses=_ABSENT)
def revoke(actor: Annotated[Actor, allow("reservations:assistant:revoke")], db: Db, assistant_id: Id) -> None:
    """At once. Its reservations go on."""
    actions.revoke(db, actor, assistant_id)
