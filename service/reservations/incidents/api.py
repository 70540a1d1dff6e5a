"""The incidents' routes: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.exports import doors
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES
from service.core.reading import ReadDb
from service.reservations.incidents import actions, exports, queries, schemas
from service.reservations.incidents.rules import Mark

_ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_EITHER: dict[int | str, dict[str, Any]] = {404: RESPONSES[404], 409: RESPONSES[409]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
READ = "reservations:incident:read"
Reader = Annotated[Actor, allow(READ)]
Worker = Annotated[Actor, allow("reservations:incident:update")]
router = APIRouter(
    prefix="/api/reservations/incidents",
    tags=["reservations"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 422, 503)},
)

doors.add(router, "", exports.INCIDENTS)


@router.get("", response_model=Page[schemas.IncidentItem])
async def incidents(
    asking: Annotated[Asking, lists(READ, may_lag=True)],
    filters: Annotated[schemas.IncidentFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await asking.page(lambda db, _: queries.incidents(db, limit, cursor, filters))


@router.get("/counts")
def counts(actor: Reader, db: ReadDb) -> schemas.Counts:
    return schemas.Counts.model_validate(queries.counts(db))


@router.post("", status_code=201)
def create(actor: Worker, db: Db, new: schemas.NewIncident) -> schemas.Made:
    return schemas.Made(id=actions.open(db, actor, new).id)


@router.get("/{incident_id}", responses=_ABSENT)
def incident(actor: Reader, db: Db, incident_id: Id) -> schemas.IncidentDetail:
    return _now(db, incident_id)


@router.patch("/{incident_id}", responses=_EITHER)
def change(actor: Worker, db: Db, incident_id: Id, new: schemas.IncidentChange) -> schemas.IncidentDetail:
    actions.change(db, actor, incident_id, new)
    return _now(db, incident_id)


@router.post("/{incident_id}/level", responses=_EITHER)
def change_level(actor: Worker, db: Db, incident_id: Id, new: schemas.LevelChange) -> schemas.IncidentDetail:
    actions.change_level(db, actor, incident_id, new)
    return _now(db, incident_id)


@router.post("/{incident_id}/marks/{mark}", responses=_EITHER)
def finish(actor: Worker, db: Db, incident_id: Id, mark: Mark, new: schemas.Done) -> schemas.IncidentDetail:
    """A step of the flow is done."""
    actions.finish(db, actor, incident_id, mark, new)
    return _now(db, incident_id)


@router.post("/{incident_id}/notes", status_code=201, responses=_ABSENT)
def note(actor: Worker, db: Db, incident_id: Id, new: schemas.NewNote) -> schemas.IncidentDetail:
    actions.note(db, actor, incident_id, new)
    return _now(db, incident_id)


@router.post("/{incident_id}/resolution", responses=_EITHER)
def resolve(actor: Worker, db: Db, incident_id: Id, new: schemas.Resolution) -> schemas.IncidentDetail:
    actions.resolve(db, actor, incident_id, new)
    return _now(db, incident_id)


@router.get("/{incident_id}/status-text", responses=_ABSENT)
def waiting(actor: Worker, db: Db, incident_id: Id) -> schemas.Waiting:
    """To how many customers the status SMS would go now, and what it says to begin with."""
    return schemas.Waiting.model_validate(queries.waiting(db, incident_id))


@router.post("/{incident_id}/status-text", responses=_EITHER)
def send_status(actor: Worker, db: Db, incident_id: Id, new: schemas.StatusText) -> schemas.IncidentDetail:
    """状況説明SMS to waiting customers, one each."""
    actions.send_status(db, actor, incident_id, new)
    return _now(db, incident_id)


def _now(db: Db, incident_id: int) -> schemas.IncidentDetail:
    return schemas.IncidentDetail.model_validate(queries.incident_in_full(db, incident_id))
