"""HTTP routes of incidents."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.core.resources import Created, PathId
from service.core.routing.replica_reads import ReadDb
from service.reservations.incidents import actions, exports, queries, schemas
from service.reservations.incidents.rules import Mark

READ = "reservations:incident:read"
Reader = Annotated[Actor, allow(READ)]
Editor = Annotated[Actor, allow("reservations:incident:update")]
router = APIRouter(
    prefix="/api/reservations/incidents",
    tags=["reservations"],
    responses=refusals(400, 401, 403, 422, 503),
)

routes.add_export_routes(router, "", exports.INCIDENTS)


@router.get("")
def incidents(
    actor: Reader,
    db: ReadDb,
    filters: Annotated[schemas.IncidentFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.IncidentItem]:
    return queries.incidents(db, limit, cursor, filters)


@router.get("/counts")
def counts(actor: Reader, db: ReadDb) -> schemas.Counts:
    return queries.counts(db)


@router.post("", status_code=201)
def create(actor: Editor, db: Db, new: schemas.NewIncident) -> Created:
    return Created(id=actions.open_incident(db, actor, new).id)


@router.get("/{incident_id}", responses=refusals(404))
def incident(actor: Reader, db: Db, incident_id: PathId) -> schemas.IncidentDetail:
    return queries.incident_detail(db, incident_id)


@router.patch("/{incident_id}", responses=refusals(404, 409))
def change(actor: Editor, db: Db, incident_id: PathId, new: schemas.IncidentChange) -> schemas.IncidentDetail:
    actions.change(db, actor, incident_id, new)
    return queries.incident_detail(db, incident_id)


@router.post("/{incident_id}/level", responses=refusals(404, 409))
def change_level(actor: Editor, db: Db, incident_id: PathId, new: schemas.LevelChange) -> schemas.IncidentDetail:
    actions.change_level(db, actor, incident_id, new)
    return queries.incident_detail(db, incident_id)


@router.post("/{incident_id}/marks/{mark}", responses=refusals(404, 409))
def finish(actor: Editor, db: Db, incident_id: PathId, mark: Mark, new: schemas.Done) -> schemas.IncidentDetail:
    """Marks a step of the flow as done."""
    actions.finish(db, actor, incident_id, mark, new)
    return queries.incident_detail(db, incident_id)


@router.post("/{incident_id}/notes", status_code=201, responses=refusals(404))
def note(actor: Editor, db: Db, incident_id: PathId, new: schemas.NewNote) -> schemas.IncidentDetail:
    actions.note(db, actor, incident_id, new)
    return queries.incident_detail(db, incident_id)


@router.post("/{incident_id}/resolution", responses=refusals(404, 409))
def resolve(actor: Editor, db: Db, incident_id: PathId, new: schemas.Resolution) -> schemas.IncidentDetail:
    actions.resolve(db, actor, incident_id, new)
    return queries.incident_detail(db, incident_id)


@router.get("/{incident_id}/status-text", responses=refusals(404))
def waiting(actor: Editor, db: Db, incident_id: PathId) -> schemas.Waiting:
    """The current number of recipients of the status SMS, and its default text."""
    return queries.status_sms_preview(db, incident_id)


@router.post("/{incident_id}/status-text", responses=refusals(404, 409))
def send_status(actor: Editor, db: Db, incident_id: PathId, new: schemas.StatusText) -> schemas.IncidentDetail:
    """Sends 状況説明SMS to waiting customers, one each."""
    actions.send_status(db, actor, incident_id, new)
    return queries.incident_detail(db, incident_id)
