"""HTTP routes of incidents."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AfterValidator

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.replica_reads import ReadDb
from service.fleet.incidents import actions, queries, schemas
from service.fleet.incidents.rules import CONTACT, OPERATE, STEPS

router = APIRouter(prefix="/api/fleet/incidents", tags=["fleet"], responses=refusals(400, 401, 403, 422, 503))


def _step_number(permission: str) -> Any:
    """Validates that the number is that of a step that needs this permission."""
    numbers = [step.number for step in STEPS.values() if step.permission == permission]

    def check(number: int) -> int:
        if number not in numbers:
            raise ValueError(f"手順は{'、'.join(map(str, numbers))}のいずれかを指定してください。")
        return number

    return AfterValidator(check)


OPERATOR_STEP, SUPPORT_STEP = _step_number(OPERATE), _step_number(CONTACT)


@router.get("")
def incidents(
    actor: Annotated[Actor, allow("fleet:incident:read")],
    db: ReadDb,
    filters: Annotated[schemas.IncidentFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.IncidentItem]:
    """The next due incident comes first; snoozed ones come last."""
    return queries.incidents(db, actor, limit, cursor, filters)


@router.get("/counts")
def counts(actor: Annotated[Actor, allow("fleet:incident:read")], db: ReadDb) -> schemas.Counts:
    return queries.counts(db)


@router.get("/responders")
def responders(actor: Annotated[Actor, allow("fleet:incident:read")], db: Db) -> list[schemas.Person]:
    """The users that an incident can be assigned to."""
    return queries.responders(db)


@router.get("/{incident_id}", responses=refusals(404))
def incident(
    actor: Annotated[Actor, allow("fleet:incident:read")], db: Db, incident_id: PathId
) -> schemas.IncidentDetail:
    return queries.incident(db, actor, incident_id)


@router.post("/{incident_id}/acknowledge", responses=refusals(404, 409))
def acknowledge(
    actor: Annotated[Actor, allow("fleet:incident:operate")], db: Db, incident_id: PathId
) -> schemas.IncidentDetail:
    """Records the initial check. An earlier acknowledgement by another user is kept."""
    actions.acknowledge(db, actor, incident_id)
    return _detail(db, actor, incident_id)


@router.post("/{incident_id}/assignment", responses=refusals(404, 409))
def assign(
    actor: Annotated[Actor, allow("fleet:incident:assign")], db: Db, incident_id: PathId, new: schemas.Assignment
) -> schemas.IncidentDetail:
    actions.assign(db, actor, incident_id, new)
    return _detail(db, actor, incident_id)


@router.post("/{incident_id}/notes", status_code=201, responses=refusals(404))
def note(
    actor: Annotated[Actor, allow("fleet:incident:note")], db: Db, incident_id: PathId, new: schemas.NewNote
) -> schemas.IncidentDetail:
    actions.note(db, actor, incident_id, new)
    return _detail(db, actor, incident_id)


@router.post("/{incident_id}/steps/{number}", responses=refusals(404, 409))
def finish_step(
    actor: Annotated[Actor, allow(OPERATE)],
    db: Db,
    incident_id: PathId,
    number: Annotated[int, OPERATOR_STEP],
    done: schemas.StepDone,
) -> schemas.IncidentDetail:
    """The operators' steps: 2 initial check, 3 remote diagnosis, 5 repair."""
    actions.finish_step(db, actor, incident_id, number, done)
    return _detail(db, actor, incident_id)


@router.post("/{incident_id}/contacts/{number}", responses=refusals(404, 409))
def finish_contact(
    actor: Annotated[Actor, allow(CONTACT)],
    db: Db,
    incident_id: PathId,
    number: Annotated[int, SUPPORT_STEP],
    done: schemas.StepDone,
) -> schemas.IncidentDetail:
    """The support team's steps: 4 customer contact, 6 completion report."""
    actions.finish_step(db, actor, incident_id, number, done)
    return _detail(db, actor, incident_id)


@router.post("/{incident_id}/snooze", responses=refusals(404, 409))
def snooze(
    actor: Annotated[Actor, allow("fleet:incident:snooze")], db: Db, incident_id: PathId, new: schemas.Snooze
) -> schemas.IncidentDetail:
    actions.snooze(db, actor, incident_id, new)
    return _detail(db, actor, incident_id)


@router.post("/{incident_id}/resolution", responses=refusals(404, 409))
def resolve(
    actor: Annotated[Actor, allow("fleet:incident:resolve")], db: Db, incident_id: PathId, new: schemas.Resolution
) -> schemas.IncidentDetail:
    actions.resolve(db, actor, incident_id, new)
    return _detail(db, actor, incident_id)


def _detail(db: Db, actor: Actor, incident_id: int) -> schemas.IncidentDetail:
    db.flush()
    return queries.incident(db, actor, incident_id)
