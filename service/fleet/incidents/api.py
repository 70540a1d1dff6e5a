"""Incidents' routes: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import AfterValidator

from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES
from service.core.reading import ReadDb
from service.fleet.incidents import actions, queries, schemas
from service.fleet.incidents.rules import CONTACT, OPERATE, STEPS

router = APIRouter(
    prefix="/api/fleet/incidents",
    tags=["fleet"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 422, 503)},
)
Id = Annotated[int, Path(ge=1, lt=2**63)]


def _number(permission: str) -> Any:
    """The numbers of the steps that belong to a permission."""
    numbers = [step.number for step in STEPS.values() if step.permission == permission]

    def check(number: int) -> int:
        if number not in numbers:
            raise ValueError(f"手順は{'、'.join(map(str, numbers))}のいずれかを指定してください。")
        return number

    return AfterValidator(check)


OPERATORS_STEPS, SUPPORTS_STEPS = _number(OPERATE), _number(CONTACT)
ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
ABSENT_OR_CONFLICT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404], 409: RESPONSES[409]}


@router.get("", response_model=Page[schemas.IncidentItem])
async def incidents(
    asking: Annotated[Asking, lists("fleet:incident:read", may_lag=True)],
    filters: Annotated[schemas.IncidentFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What is due next comes first; what sleeps, last."""
    return await asking.page(lambda db, actor: queries.incidents(db, actor, limit, cursor, filters))


@router.get("/counts")
def counts(actor: Annotated[Actor, allow("fleet:incident:read")], db: ReadDb) -> schemas.Counts:
    return schemas.Counts.model_validate(queries.counts(db))


@router.get("/responders")
def responders(actor: Annotated[Actor, allow("fleet:incident:read")], db: Db) -> list[schemas.Person]:
    """Who an incident can be given to."""
    return [schemas.Person.model_validate(person) for person in queries.responders(db)]


@router.get("/{incident_id}", responses=ABSENT)
def incident(actor: Annotated[Actor, allow("fleet:incident:read")], db: Db, incident_id: Id) -> schemas.IncidentDetail:
    return schemas.IncidentDetail.model_validate(queries.incident(db, actor, incident_id))


@router.post("/{incident_id}/acknowledge", responses=ABSENT_OR_CONFLICT)
def acknowledge(
    actor: Annotated[Actor, allow("fleet:incident:operate")], db: Db, incident_id: Id
) -> schemas.IncidentDetail:
    """The first look is done. Somebody else's earlier one stands."""
    actions.acknowledge(db, actor, incident_id)
    return _now(db, actor, incident_id)


@router.post("/{incident_id}/assignment", responses=ABSENT_OR_CONFLICT)
def assign(
    actor: Annotated[Actor, allow("fleet:incident:assign")], db: Db, incident_id: Id, new: schemas.Assignment
) -> schemas.IncidentDetail:
    actions.assign(db, actor, incident_id, new)
    return _now(db, actor, incident_id)


@router.post("/{incident_id}/notes", status_code=201, responses=ABSENT)
def note(
    actor: Annotated[Actor, allow("fleet:incident:note")], db: Db, incident_id: Id, new: schemas.NewNote
) -> schemas.IncidentDetail:
    actions.note(db, actor, incident_id, new)
    return _now(db, actor, incident_id)


@router.post("/{incident_id}/steps/{number}", responses=ABSENT_OR_CONFLICT)
def finish_step(
    actor: Annotated[Actor, allow(OPERATE)],
    db: Db,
    incident_id: Id,
    number: Annotated[int, OPERATORS_STEPS],
    done: schemas.StepDone,
) -> schemas.IncidentDetail:
    """The operators' steps: 2 first look, 3 remote diagnosis, 5 repair."""
    actions.finish_step(db, actor, incident_id, number, done)
    return _now(db, actor, incident_id)


@router.post("/{incident_id}/contacts/{number}", responses=ABSENT_OR_CONFLICT)
def finish_contact(
    actor: Annotated[Actor, allow(CONTACT)],
    db: Db,
    incident_id: Id,
    number: Annotated[int, SUPPORTS_STEPS],
    done: schemas.StepDone,
) -> schemas.IncidentDetail:
    """The support's steps: 4 customer told, 6 report that it is over."""
    actions.finish_step(db, actor, incident_id, number, done)
    return _now(db, actor, incident_id)


@router.post("/{incident_id}/snooze", responses=ABSENT_OR_CONFLICT)
def snooze(
    actor: Annotated[Actor, allow("fleet:incident:snooze")], db: Db, incident_id: Id, new: schemas.Snooze
) -> schemas.IncidentDetail:
    actions.snooze(db, actor, incident_id, new)
    return _now(db, actor, incident_id)


@router.post("/{incident_id}/resolution", responses=ABSENT_OR_CONFLICT)
def resolve(
    actor: Annotated[Actor, allow("fleet:incident:resolve")], db: Db, incident_id: Id, new: schemas.Resolution
) -> schemas.IncidentDetail:
    actions.resolve(db, actor, incident_id, new)
    return _now(db, actor, incident_id)


def _now(db: Db, actor: Actor, incident_id: int) -> schemas.IncidentDetail:
    db.flush()
    return schemas.IncidentDetail.model_validate(queries.incident(db, actor, incident_id))
