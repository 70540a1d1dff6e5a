"""The enquiries' routes: permission, one call, answer."""

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
from service.reservations.enquiries import actions, exports, queries, schemas
from service.reservations.roster.schemas import Person

_ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_EITHER: dict[int | str, dict[str, Any]] = {404: RESPONSES[404], 409: RESPONSES[409]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
READ = "reservations:enquiry:read"
Reader = Annotated[Actor, allow(READ)]
Answerer = Annotated[Actor, allow("reservations:enquiry:answer")]
Support = Annotated[Actor, allow("reservations:enquiry:update")]
router = APIRouter(
    prefix="/api/reservations/enquiries",
    tags=["reservations"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 422, 503)},
)

doors.add(router, "", exports.ENQUIRIES)


@router.get("", response_model=Page[schemas.EnquiryItem])
async def enquiries(
    asking: Annotated[Asking, lists(READ, may_lag=True)],
    filters: Annotated[schemas.EnquiryFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """What is due next comes first."""
    return await asking.page(lambda db, actor: queries.enquiries(db, actor, limit, cursor, filters))


@router.get("/counts")
def counts(actor: Annotated[Actor, allow("reservations:quality:read")], db: ReadDb) -> schemas.Counts:
    return schemas.Counts.model_validate(queries.counts(db, actor))


@router.get("/people")
def people(actor: Reader, db: Db) -> list[Person]:
    """Who can have an enquiry."""
    return [Person.model_validate(person) for person in queries.answerers(db)]


@router.post("", status_code=201)
def register(actor: Support, db: Db, new: schemas.NewEnquiry) -> schemas.Made:
    return schemas.Made(id=actions.register(db, actor, new).id)


@router.get("/{enquiry_id}", responses=_ABSENT)
def enquiry(actor: Reader, db: Db, enquiry_id: Id) -> schemas.EnquiryDetail:
    return _now(db, enquiry_id)


@router.patch("/{enquiry_id}", responses=_EITHER)
def change(actor: Support, db: Db, enquiry_id: Id, new: schemas.EnquiryChange) -> schemas.EnquiryDetail:
    actions.change(db, actor, enquiry_id, new)
    return _now(db, enquiry_id)


@router.post("/{enquiry_id}/claim", responses=_EITHER)
def claim(actor: Answerer, db: Db, enquiry_id: Id, new: schemas.Edit) -> schemas.EnquiryDetail:
    """自分が対応する."""
    actions.claim(db, actor, enquiry_id, new)
    return _now(db, enquiry_id)


@router.post("/{enquiry_id}/hand-over", responses=_EITHER)
def hand_over(actor: Answerer, db: Db, enquiry_id: Id, new: schemas.HandOver) -> schemas.EnquiryDetail:
    actions.hand_over(db, actor, enquiry_id, new)
    return _now(db, enquiry_id)


@router.post("/{enquiry_id}/answers", status_code=201, responses=_EITHER)
def answer(actor: Answerer, db: Db, enquiry_id: Id, new: schemas.Answer) -> schemas.EnquiryDetail:
    """A mail to whoever asked."""
    actions.answer(db, actor, enquiry_id, new)
    return _now(db, enquiry_id)


@router.post("/{enquiry_id}/calls", status_code=201, responses=_EITHER)
def call(actor: Answerer, db: Db, enquiry_id: Id, new: schemas.Call) -> schemas.EnquiryDetail:
    """What was said on the telephone."""
    actions.call(db, actor, enquiry_id, new)
    return _now(db, enquiry_id)


@router.post("/{enquiry_id}/notes", status_code=201, responses=_ABSENT)
def note(actor: Answerer, db: Db, enquiry_id: Id, new: schemas.Note) -> schemas.EnquiryDetail:
    actions.note(db, actor, enquiry_id, new)
    return _now(db, enquiry_id)


@router.post("/{enquiry_id}/operation", responses=_EITHER)
def to_operations(actor: Answerer, db: Db, enquiry_id: Id, new: schemas.ToOperations) -> schemas.EnquiryDetail:
    """手動対応にする."""
    actions.to_operations(db, actor, enquiry_id, new)
    return _now(db, enquiry_id)


@router.post("/{enquiry_id}/resolution", responses=_EITHER)
def resolve(actor: Support, db: Db, enquiry_id: Id, new: schemas.Resolution) -> schemas.EnquiryDetail:
    actions.resolve(db, actor, enquiry_id, new)
    return _now(db, enquiry_id)


@router.post("/{enquiry_id}/reopening", responses=_EITHER)
def reopen(actor: Support, db: Db, enquiry_id: Id, new: schemas.Reopening) -> schemas.EnquiryDetail:
    actions.reopen(db, actor, enquiry_id, new)
    return _now(db, enquiry_id)


def _now(db: Db, enquiry_id: int) -> schemas.EnquiryDetail:
    return schemas.EnquiryDetail.model_validate(queries.enquiry_in_full(db, enquiry_id))
