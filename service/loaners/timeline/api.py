"""Routes of a device's page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.routing.replica_reads import ReadDb
from service.core.values.texts import Instant
from service.loaners.history.schemas import Number
from service.loaners.timeline import queries, schemas

Limit = Annotated[int, Query(ge=1, le=2000)]
router = APIRouter(
    prefix="/api/loaners/devices/{number}", tags=["loaners"], responses=refusals(400, 401, 403, 404, 422, 503)
)


@router.get("/state")
def device(
    actor: Annotated[Actor, allow("loaners:device:read")], db: Db, number: Number, as_of: Instant | None = None
) -> schemas.DeviceShown:
    return queries.device(db, number, as_of)


@router.get("/timeline")
def timeline(
    actor: Annotated[Actor, allow("loaners:device:read")],
    db: ReadDb,
    number: Number,
    limit: Limit = 100,
) -> schemas.Timeline:
    return queries.timeline(db, number, limit)


@router.get("/mails")
def mails(
    actor: Annotated[Actor, allow("loaners:device:read")], db: Db, number: Number, limit: Limit = 20
) -> schemas.Mails:
    return queries.mails(db, number, limit)
