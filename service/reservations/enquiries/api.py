"""HTTP routes of enquiries."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core import edits
from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.core.resources import Created, PathId
from service.core.routing.replica_reads import ReadDb
from service.reservations.enquiries import actions, exports, queries, schemas
from service.reservations.roster.schemas import Person

READ = "reservations:enquiry:read"
Reader = Annotated[Actor, allow(READ)]
Answerer = Annotated[Actor, allow("reservations:enquiry:answer")]
Editor = Annotated[Actor, allow("reservations:enquiry:update")]
router = APIRouter(
    prefix="/api/reservations/enquiries",
    tags=["reservations"],
    responses=refusals(400, 401, 403, 422, 503),
)

routes.add_export_routes(router, "", exports.ENQUIRIES)


@router.get("")
def enquiries(
    actor: Reader,
    db: ReadDb,
    filters: Annotated[schemas.EnquiryFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.EnquiryItem]:
    """By default, the next due enquiry comes first."""
    return queries.enquiries(db, actor, limit, cursor, filters)


@router.get("/counts")
def counts(actor: Annotated[Actor, allow("reservations:quality:read")], db: ReadDb) -> schemas.Counts:
    return queries.counts(db, actor)


@router.get("/people")
def people(actor: Reader, db: Db) -> list[Person]:
    """The users who can own an enquiry."""
    return queries.possible_owners(db)


@router.post("", status_code=201)
def register(actor: Editor, db: Db, new: schemas.NewEnquiry) -> Created:
    return Created(id=actions.register(db, actor, new).id)


@router.get("/{enquiry_id}", responses=refusals(404))
def enquiry(actor: Reader, db: Db, enquiry_id: PathId) -> schemas.EnquiryDetail:
    return queries.enquiry_detail(db, enquiry_id)


@router.patch("/{enquiry_id}", responses=refusals(404, 409))
def change(actor: Editor, db: Db, enquiry_id: PathId, new: schemas.EnquiryChange) -> schemas.EnquiryDetail:
    actions.change(db, actor, enquiry_id, new)
    return queries.enquiry_detail(db, enquiry_id)


@router.post("/{enquiry_id}/claim", responses=refusals(404, 409))
def claim(actor: Answerer, db: Db, enquiry_id: PathId, new: edits.Edit) -> schemas.EnquiryDetail:
    """自分が対応する."""
    actions.claim(db, actor, enquiry_id, new)
    return queries.enquiry_detail(db, enquiry_id)


@router.post("/{enquiry_id}/hand-over", responses=refusals(404, 409))
def hand_over(actor: Answerer, db: Db, enquiry_id: PathId, new: schemas.HandOver) -> schemas.EnquiryDetail:
    actions.hand_over(db, actor, enquiry_id, new)
    return queries.enquiry_detail(db, enquiry_id)


@router.post("/{enquiry_id}/answers", status_code=201, responses=refusals(404, 409))
def answer(actor: Answerer, db: Db, enquiry_id: PathId, new: schemas.Answer) -> schemas.EnquiryDetail:
    """Answers the sender by mail."""
    actions.answer(db, actor, enquiry_id, new)
    return queries.enquiry_detail(db, enquiry_id)


@router.post("/{enquiry_id}/calls", status_code=201, responses=refusals(404, 409))
def call(actor: Answerer, db: Db, enquiry_id: PathId, new: schemas.Call) -> schemas.EnquiryDetail:
    """Records a phone call."""
    actions.call(db, actor, enquiry_id, new)
    return queries.enquiry_detail(db, enquiry_id)


@router.post("/{enquiry_id}/notes", status_code=201, responses=refusals(404))
def note(actor: Answerer, db: Db, enquiry_id: PathId, new: schemas.Note) -> schemas.EnquiryDetail:
    actions.note(db, actor, enquiry_id, new)
    return queries.enquiry_detail(db, enquiry_id)


@router.post("/{enquiry_id}/operation", responses=refusals(404, 409))
def to_operations(actor: Answerer, db: Db, enquiry_id: PathId, new: schemas.ToOperations) -> schemas.EnquiryDetail:
    """手動対応にする."""
    actions.to_operations(db, actor, enquiry_id, new)
    return queries.enquiry_detail(db, enquiry_id)


@router.post("/{enquiry_id}/resolution", responses=refusals(404, 409))
def resolve(actor: Editor, db: Db, enquiry_id: PathId, new: schemas.Resolution) -> schemas.EnquiryDetail:
    actions.resolve(db, actor, enquiry_id, new)
    return queries.enquiry_detail(db, enquiry_id)


@router.post("/{enquiry_id}/reopening", responses=refusals(404, 409))
def reopen(actor: Editor, db: Db, enquiry_id: PathId, new: schemas.Reopening) -> schemas.EnquiryDetail:
    actions.reopen(db, actor, enquiry_id, new)
    return queries.enquiry_detail(db, enquiry_id)
