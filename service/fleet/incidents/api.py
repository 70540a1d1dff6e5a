"""HTTP routes of incidents."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import AfterValidator

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.http.problem_responses import RESPONSES
from service.core.routing.lists import ListRequest, list_request
from service.core.routing.replica_reads import ReadDb
from service.fleet.incidents import actions, queries, schemas
from service.fleet.incidents.rules import CONTACT, OPERATE, STEPS

router = APIRouter(
    prefix="/api/fleet/incidents",
    tags=["fleet"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 422, 503)},
)
Id = Annotated[int, Path(ge=1, lt=2**63)]


def _step_number(permission: str) -> Any:
    """Validates that the number is that of a step that needs this permission."""
    numbers = [step.number for step in STEPS.values() if step.permission == permission]

    def check(number: int) -> int:
        if number not in numbers:
            raise ValueError(f"手順は{'、'.join(map(str, numbers))}のいずれかを指定してください。")
        return number

    return AfterValidator(check)


OPERATOR_STEP, SUPPORT_STEP = _step_number(OPERATE), _step_number(CONTACT)
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
NOT_FOUND_OR_CONFLICT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404], 409: RESPONSES[409]}


@router.get("", response_model=Page[schemas.IncidentItem])
async def incidents(
    request: Annotated[ListRequest, list_request("fleet:incident:read", may_lag=True)],
    filters: Annotated[schemas.IncidentFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The next due incident comes first; snoozed ones come last."""
    return await request.page(lambda db, actor: queries.incidents(db, actor, limit, cursor, filters))


@router.get("/counts")
def counts(actor: Annotated[Actor, allow("fleet:incident:read")], db: ReadDb) -> schemas.Counts:
    return queries.counts(db)


@router.get("/responders")
def responders(actor: Annotated[Actor, allow("fleet:incident:read")], db: Db) -> list[schemas.Person]:
    """The users that an incident can be assigned to."""
    return queries.responders(db)


@router.get("/{incident_id}", responses=NOT_FOUND)
def incident(actor: Annotated[Actor, allow("fleet:incident:read")], db: Db, incident_id: Id) -> schemas.IncidentDetail:
    return queries.incident(db, actor, incident_id)


@router.post("/{incident_id}/acknowledge", responses=NOT_FOUND_OR_CONFLICT)
def acknowledge(
    actor: Annotated[Actor, allow("fleet:incident:operate")], db: Db, incident_id: Id
) -> schemas.IncidentDetail:
    """Records the initial check. An earlier acknowledgement by another user is kept."""
    actions.acknowledge(db, actor, incident_id)
    return _detail(db, actor, incident_id)


@router.post("/{incident_id}/assignment", responses=NOT_FOUND_OR_CONFLICT)
def assign(
    actor: Annotated[Actor, allow("fleet:incident:assign")], db: Db, incident_id: Id, new: schemas.Assignment
) -> schemas.IncidentDetail:
    actions.assign(db, actor, incident_id, new)
    return _detail(db, actor, incident_id)


@router.post("/{incident_id}/notes", status_code=201, responses=NOT_FOUND)
def note(
    actor: Annotated[Actor, allow("fleet:incident:note")], db: Db, incident_id: Id, new: schemas.NewNote
) -> schemas.IncidentDetail:
    actions.note(db, actor, incident_id, new)
    return _detail(db, actor, incident_id)


@router.post("/{incident_id}/steps/{number}", responses=NOT_FOUND_OR_CONFLICT)
def finish_step(
    actor: Annotated[Actor, allow(OPERATE)],
    db: Db,
    incident_id: Id,
    number: Annotated[int, OPERATOR_STEP],
    done: schemas.StepDone,
) -> schemas.IncidentDetail:
    """The operators' steps: 2 initial check, 3 remote diagnosis, 5 repair."""
    actions.finish_step(db, actor, incident_id, number, done)
    return _detail(db, actor, incident_id)


@router.post("/{incident_id}/contacts/{number}", responses=NOT_FOUND_OR_CONFLICT)
def finish_contact(
    actor: Annotated[Actor, allow(CONTACT)],
    db: Db,
    incident_id: Id,
    number: Annotated[int, SUPPORT_STEP],
    done: schemas.StepDone,
) -> schemas.IncidentDetail:
    """The support team's steps: 4 customer contact, 6 completion report."""
    actions.finish_step(db, actor, incident_id, number, done)
    return _detail(db, actor, incident_id)


@router.post("/{incident_id}/snooze", responses=NOT_FOUND_OR_CONFLICT)
def snooze(
    actor: Annotated[Actor, allow("fleet:incident:snooze")], db: Db, incident_id: Id, new: schemas.Snooze
) -> schemas.IncidentDetail:
    actions.snooze(db, actor, incident_id, new)
    return _detail(db, actor, incident_id)


@router.post("/{incident_id}/resolution", responses=NOT_FOUND_OR_CONFLICT)
def resolve(
    actor: Annotated[Actor, allow("fleet:incident:resolve")], db: Db, incident_id: Id, new: schemas.Resolution
) -> schemas.IncidentDetail:
    actions.resolve(db, actor, incident_id, new)
    return _detail(db, actor, incident_id)


def _detail(db: Db, actor: Actor, incident_id: int) -> schemas.IncidentDetail:
    db.flush()
    return queries.incident(db, actor, incident_id)
