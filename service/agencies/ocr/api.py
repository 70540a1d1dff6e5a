"""Routes for reading statements: start a reading, list readings, accept values field by field."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from service.agencies.ocr import actions, queries, schemas
from service.agencies.requests import queries as requests
from service.agencies.sites import queries as sites
from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import RESPONSES
from service.core.routing.lists import ListRequest, list_request

_ERRORS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 404, 422, 503)}
_CONFLICT: dict[int | str, dict[str, Any]] = {409: RESPONSES[409]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
Writer = Annotated[Actor, allow("agencies:case:update")]
router = APIRouter(prefix="/api/agencies/cases/{case_id}", tags=["agencies"], responses=_ERRORS)


@router.get("/readings", response_model=schemas.Readings)
async def readings(page_request: Annotated[ListRequest, list_request("agencies:case:read")], case_id: Id) -> Response:
    return await page_request.page(lambda db, actor: queries.readings(db, requests.get_request(db, actor, case_id)))


@router.post("/images/{image_id}/reading", status_code=202, responses=_CONFLICT)
def ask(actor: Writer, db: Db, case_id: Id, image_id: Id) -> schemas.ReadingItem:
    """Starts a reading in the background; poll the list for the result."""
    request = requests.get_request(db, actor, case_id, lock=True)
    reading = actions.request_reading(db, actor, request, sites.get_image(db, request, image_id))
    return schemas.ReadingItem.model_validate(queries.reading(db, request, reading.id))


@router.post("/readings/{reading_id}/accept", responses=_CONFLICT)
def accept(actor: Writer, db: Db, case_id: Id, reading_id: Id, new: schemas.Accepted) -> schemas.ReadingItem:
    """「この値を使う」: writes one value of a reading to one field of a site."""
    request = requests.get_request(db, actor, case_id, lock=True)
    actions.accept(db, actor, request, queries.get_reading(db, request, reading_id), new)
    return schemas.ReadingItem.model_validate(queries.reading(db, request, reading_id))
