"""Reading statements: asked for, listed, taken over field by field."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response

from service.agencies.reading import actions, queries, schemas
from service.agencies.requests import queries as requests
from service.agencies.sites import queries as sites
from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.lists import Asking, lists
from service.core.problems import RESPONSES

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 404, 422, 503)}
_CONFLICT: dict[int | str, dict[str, Any]] = {409: RESPONSES[409]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
Writer = Annotated[Actor, allow("agencies:case:update")]
router = APIRouter(prefix="/api/agencies/cases/{case_id}", tags=["agencies"], responses=_REFUSALS)


@router.get("/readings", response_model=schemas.Readings)
async def readings(asking: Annotated[Asking, lists("agencies:case:read")], case_id: Id) -> Response:
    return await asking.page(lambda db, actor: queries.readings(db, requests.get_request(db, actor, case_id)))


@router.post("/images/{image_id}/reading", status_code=202, responses=_CONFLICT)
def ask(actor: Writer, db: Db, case_id: Id, image_id: Id) -> schemas.ReadingItem:
    """It is done in the background: the list tells when."""
    request = requests.get_request(db, actor, case_id, lock=True)
    reading = actions.ask(db, actor, request, sites.get_image(db, request, image_id))
    return schemas.ReadingItem.model_validate(queries.reading(db, request, reading.id))


@router.post("/readings/{reading_id}/accept", responses=_CONFLICT)
def accept(actor: Writer, db: Db, case_id: Id, reading_id: Id, new: schemas.Accepted) -> schemas.ReadingItem:
    """「この値を使う」: one value of a reading into one field of a site."""
    request = requests.get_request(db, actor, case_id, lock=True)
    actions.accept(db, actor, request, queries.get_reading(db, request, reading_id), new)
    return schemas.ReadingItem.model_validate(queries.reading(db, request, reading_id))
