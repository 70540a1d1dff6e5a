"""Routes of 監視 and of proposed incidents."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from service.core.access.auth import Actor, allow
from service.core.database.clock import app_now
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.replica_reads import ReadDb
from service.reservations.alarms import actions, queries, schemas
from service.reservations.alarms.rules import Kind

READ = "reservations:alarm:read"
Reader = Annotated[Actor, allow(READ)]
Manager = Annotated[Actor, allow("reservations:incident:read")]
Worker = Annotated[Actor, allow("reservations:incident:update")]
Sort = Annotated[str, Query(max_length=50)]
router = APIRouter(
    prefix="/api/reservations/alarms",
    tags=["reservations"],
    responses=refusals(400, 401, 403, 422, 503),
)


@router.get("")
def alarms(
    actor: Reader,
    db: ReadDb,
    kind: Kind | None = None,
    state: Literal["open", "over"] | None = None,
    sort: Sort = "-begun_at",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.AlarmItem]:
    return queries.alarms(db, limit, cursor, kind=kind, state=state, sort=sort)


@router.get("/state")
def state(actor: Reader, db: Db) -> schemas.State:
    """All checks with their current figures."""
    return queries.state(db)


@router.get("/counts")
def counts(actor: Reader, db: ReadDb) -> schemas.Counts:
    """For the menu."""
    return schemas.Counts(as_of=app_now(db), open=len(queries.open_alarms(db)))


@router.get("/charts")
def charts(actor: Reader, db: ReadDb) -> schemas.Charts:
    """The last 24 hours."""
    return queries.charts(db)


@router.get("/outages")
def outages(actor: Reader, db: ReadDb) -> schemas.Outages:
    """When the system was down this month."""
    return queries.outages(db)


@router.get("/proposals")
def proposals(actor: Manager, db: Db) -> schemas.Proposals:
    """Proposed incidents without a decision."""
    return queries.proposals(db)


@router.post("/proposals/{proposal_id}/incident", status_code=201, responses=refusals(404, 409))
def accept(actor: Worker, db: Db, proposal_id: PathId, new: schemas.Accepted) -> schemas.Opened:
    return schemas.Opened(incident_id=actions.accept_proposal(db, actor, proposal_id, new))


@router.post("/proposals/{proposal_id}/dismissal", status_code=204, responses=refusals(404, 409))
def dismiss(actor: Worker, db: Db, proposal_id: PathId, new: schemas.Dismissal) -> None:
    """Opens no incident, with a reason."""
    actions.dismiss_proposal(db, actor, proposal_id, new)
