"""Routes of 在園状況 and 統計: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.problems import RESPONSES
from service.entries.insights import queries, schemas

router = APIRouter(
    prefix="/api/entries",
    tags=["entries"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 404, 422, 503)},
)


@router.get("/now")
def now(
    actor: Annotated[Actor, allow("entries:attendance:read")],
    db: Db,
    filters: Annotated[schemas.NowFilters, Query()],
) -> schemas.Now:
    """Who is in the building."""
    return schemas.Now.model_validate(queries.now(db, actor, filters.nursery_id))


@router.get("/statistics")
def statistics(
    actor: Annotated[Actor, allow("entries:log:read")], db: Db, period: Annotated[schemas.Period, Query()]
) -> schemas.Statistics:
    return schemas.Statistics.model_validate(queries.statistics(db, actor, period))
