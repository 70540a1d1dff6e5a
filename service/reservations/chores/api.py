"""HTTP routes of 定期作業."""

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
from service.reservations.chores import actions, exports, queries, schemas

READ = "reservations:chore:read"
Reader = Annotated[Actor, allow(READ)]
Worker = Annotated[Actor, allow("reservations:chore:perform")]
Editor = Annotated[Actor, allow("reservations:chore:update")]
router = APIRouter(
    prefix="/api/reservations/chores",
    tags=["reservations"],
    responses=refusals(400, 401, 403, 422, 503),
)

routes.add_export_routes(router, "/turns", exports.TURNS)


@router.get("")
def chores(
    actor: Reader,
    db: Db,
    filters: Annotated[schemas.ChoreFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.ChoreItem]:
    return queries.chores(db, limit, cursor, filters)


@router.post("", status_code=201)
def create(actor: Editor, db: Db, new: schemas.NewChore) -> Created:
    return Created(id=actions.create(db, actor, new).id)


@router.get("/owners")
def owners(actor: Reader, db: Db) -> list[str]:
    """担当者 of the chores."""
    return queries.owners(db)


@router.get("/calendar")
def calendar(actor: Reader, db: ReadDb, filters: Annotated[schemas.CalendarFilters, Query()]) -> schemas.Calendar:
    return queries.calendar(db, filters)


@router.get("/turns")
def turns(
    actor: Reader,
    db: ReadDb,
    filters: Annotated[schemas.TurnFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.TurnItem]:
    return queries.turns(db, limit, cursor, filters)


@router.get("/turns/counts")
def counts(actor: Reader, db: ReadDb) -> schemas.Counts:
    return queries.counts(db)


@router.post("/turns/finish", responses=refusals(404, 409))
def finish_many(actor: Worker, db: Db, new: schemas.FinishMany) -> schemas.Done:
    """Marks several turns as done at once."""
    return schemas.Done(done=actions.finish_many(db, actor, new))


@router.get("/turns/{turn_id}", responses=refusals(404))
def turn(actor: Reader, db: Db, turn_id: PathId) -> schemas.TurnDetail:
    return queries.turn_detail(db, turn_id)


@router.post("/turns/{turn_id}/finish", responses=refusals(404, 409))
def finish(actor: Worker, db: Db, turn_id: PathId, new: schemas.Finish) -> schemas.TurnDetail:
    actions.finish(db, actor, turn_id, new)
    return queries.turn_detail(db, turn_id)


@router.post("/turns/{turn_id}/skip", responses=refusals(404, 409))
def skip(actor: Worker, db: Db, turn_id: PathId, new: schemas.Because) -> schemas.TurnDetail:
    """Skips this turn."""
    actions.skip(db, actor, turn_id, new)
    return queries.turn_detail(db, turn_id)


@router.post("/turns/{turn_id}/reopen", responses=refusals(404, 409))
def reopen(actor: Worker, db: Db, turn_id: PathId, new: schemas.Because) -> schemas.TurnDetail:
    """Reopens a turn that was done or skipped."""
    actions.reopen(db, actor, turn_id, new)
    return queries.turn_detail(db, turn_id)


@router.patch("/{chore_id}", status_code=204, responses=refusals(404, 409))
def change(actor: Editor, db: Db, chore_id: PathId, new: schemas.ChoreChange) -> None:
    actions.change(db, actor, chore_id, new)


@router.post("/{chore_id}/archive", status_code=204, responses=refusals(404))
def end(actor: Editor, db: Db, chore_id: PathId) -> None:
    """Ends the chore: it has no further turns."""
    actions.end(db, actor, chore_id)


@router.post("/{chore_id}/restore", status_code=204, responses=refusals(404))
def restore(actor: Editor, db: Db, chore_id: PathId) -> None:
    actions.restore(db, actor, chore_id)


@router.post("/{chore_id}/records", status_code=201, responses=refusals(404, 409))
def note_done(actor: Worker, db: Db, chore_id: PathId, new: schemas.NewRecord) -> Created:
    """Records that a 随時 chore was done."""
    return Created(id=actions.note_done(db, actor, chore_id, new).id)
