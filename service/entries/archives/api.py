"""The archives' route."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES
from service.core.texts import Key
from service.entries.archives import queries, schemas

router = APIRouter(
    prefix="/api/entries",
    tags=["entries"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 404, 422, 503)},
)


@router.get("/archives", response_model=Page[schemas.ArchiveItem])
async def archives(
    asking: Annotated[Asking, lists("entries:nursery:update", may_lag=True)],
    nursery_id: Annotated[Key | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Logs older than a year, a file for each nursery and month."""
    return await asking.page(lambda db, actor: queries.archives(db, actor, limit, cursor, nursery_id))
