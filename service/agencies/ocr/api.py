"""Routes for reading statements: start a reading, list readings, accept values field by field."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from service.agencies.ocr import actions, queries, schemas
from service.agencies.requests import queries as requests
from service.agencies.sites import queries as sites
from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.resources import PathId

Writer = Annotated[Actor, allow("agencies:case:update")]
router = APIRouter(
    prefix="/api/agencies/cases/{case_id}", tags=["agencies"], responses=refusals(400, 401, 403, 404, 422, 503)
)


@router.get("/readings")
def readings(actor: Annotated[Actor, allow("agencies:case:read")], db: Db, case_id: PathId) -> schemas.Readings:
    return queries.readings(db, requests.get_request(db, actor, case_id))


@router.post("/images/{image_id}/reading", status_code=202, responses=refusals(409))
def ask(actor: Writer, db: Db, case_id: PathId, image_id: PathId) -> schemas.ReadingItem:
    """Starts a reading in the background; poll the list for the result."""
    request = requests.get_request(db, actor, case_id, lock=True)
    reading = actions.request_reading(db, actor, request, sites.get_image(db, request, image_id))
    return queries.reading(db, request, reading.id)


@router.post("/readings/{reading_id}/accept", responses=refusals(409))
def accept(actor: Writer, db: Db, case_id: PathId, reading_id: PathId, new: schemas.Accepted) -> schemas.ReadingItem:
    """「この値を使う」: writes one value of a reading to one field of a site."""
    request = requests.get_request(db, actor, case_id, lock=True)
    actions.accept(db, actor, request, queries.get_reading(db, request, reading_id), new)
    return queries.reading(db, request, reading_id)
