"""The archives' route."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.http.problem_responses import refusals
from service.core.routing.replica_reads import ReadDb
from service.core.values.texts import RecordId
from service.entries.archives import queries, schemas

router = APIRouter(prefix="/api/entries", tags=["entries"], responses=refusals(400, 401, 403, 404, 422, 503))


@router.get("/archives")
def archives(
    actor: Annotated[Actor, allow("entries:nursery:update")],
    db: ReadDb,
    nursery_id: Annotated[RecordId | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.ArchiveItem]:
    """Logs older than a year: one file for each nursery and month."""
    return queries.archives(db, actor, limit, cursor, nursery_id)
