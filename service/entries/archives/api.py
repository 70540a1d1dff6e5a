"""The archives' route."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.core.database.paging import Cursor, Limit, Page
from service.core.http.problem_responses import refusals
from service.core.routing.lists import ListRequest, list_request
from service.core.values.texts import RecordId
from service.entries.archives import queries, schemas

router = APIRouter(prefix="/api/entries", tags=["entries"], responses=refusals(400, 401, 403, 404, 422, 503))


@router.get("/archives", response_model=Page[schemas.ArchiveItem])
async def archives(
    page_request: Annotated[ListRequest, list_request("entries:nursery:update", may_lag=True)],
    nursery_id: Annotated[RecordId | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Logs older than a year: one file for each nursery and month."""
    return await page_request.page(lambda db, actor: queries.archives(db, actor, limit, cursor, nursery_id))
