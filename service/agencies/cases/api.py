"""Cases: the requests, for those who enter applications."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from sqlalchemy.orm import Session

from service.agencies.cases import actions, exports, queries, schemas
from service.agencies.requests import actions as request_actions
from service.agencies.requests import queries as requests
from service.agencies.requests import schemas as said
from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.exports import answers
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page, whole
from service.core.problems import RESPONSES
from service.core.purposes import Kind
from service.core.reading import ReadDb

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 422, 503)}
_ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_ABSENT_OR_CONFLICT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404], 409: RESPONSES[409]}
Id = Annotated[int, Path(ge=1, lt=2**63)]
Reader = Annotated[Actor, allow("agencies:case:read")]
Writer = Annotated[Actor, allow("agencies:case:update")]
Listed = Annotated[Asking, lists("agencies:case:read")]
router = APIRouter(prefix="/api/agencies/cases", tags=["agencies"], responses=_REFUSALS)


@router.get("", response_model=Page[schemas.CaseItem])
async def cases(
    asking: Annotated[Asking, lists("agencies:case:read", may_lag=True)],
    filters: Annotated[schemas.CaseFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await asking.page(lambda db, actor: queries.cases(db, actor, limit, cursor, filters))


@router.get("/counts")
def counts(actor: Reader, db: ReadDb) -> schemas.CaseCounts:
    return schemas.CaseCounts.model_validate(queries.counts(db, actor))


@router.get("/sales-people", response_model=Page[schemas.PersonItem])
async def sales_people(asking: Listed) -> Response:
    return await asking.page(lambda db, actor: whole(queries.sales_people(db, actor)))


@router.get("/agencies", response_model=Page[schemas.AgencyItem])
async def agencies(asking: Listed) -> Response:
    return await asking.page(lambda db, actor: whole(queries.agencies(db, actor)))


@router.get("/operators", response_model=Page[schemas.PersonItem])
async def operators(asking: Listed) -> Response:
    return await asking.page(lambda db, actor: whole(queries.operators(db)))


@router.get("/{case_id}", responses=_ABSENT)
def case(actor: Reader, db: Db, case_id: Id) -> schemas.CaseDetail:
    return schemas.CaseDetail.model_validate(queries.case(db, actor, case_id))


@router.patch("/{case_id}", responses=_ABSENT_OR_CONFLICT)
def change(actor: Writer, db: Db, case_id: Id, new: schemas.CaseChange) -> schemas.CaseDetail:
    actions.change(db, actor, requests.get_request(db, actor, case_id, lock=True), new)
    db.flush()
    return schemas.CaseDetail.model_validate(queries.case(db, actor, case_id))


@router.post("/{case_id}/deficiency", status_code=204, responses=_ABSENT_OR_CONFLICT)
def report(actor: Writer, db: Db, case_id: Id, new: schemas.Deficiency) -> None:
    actions.report(db, actor, requests.get_request(db, actor, case_id, lock=True), new)


@router.post("/{case_id}/put-right", status_code=204, responses=_ABSENT_OR_CONFLICT)
def put_right(actor: Writer, db: Db, case_id: Id, new: schemas.PutRight) -> None:
    actions.put_right(db, actor, requests.get_request(db, actor, case_id, lock=True), new)


@router.post("/{case_id}/claim", status_code=204, responses=_ABSENT_OR_CONFLICT)
def claim(actor: Writer, db: Db, case_id: Id, new: schemas.Claim) -> None:
    actions.claim(db, actor, requests.get_request(db, actor, case_id, lock=True), take_over=new.take_over)


@router.post("/{case_id}/hand-over", status_code=204, responses=_ABSENT_OR_CONFLICT)
def hand_over(actor: Writer, db: Db, case_id: Id, new: schemas.HandOver) -> None:
    actions.hand_over(db, actor, requests.get_request(db, actor, case_id, lock=True), new.user_id)


@router.post("/{case_id}/release", status_code=204, responses=_ABSENT_OR_CONFLICT)
def release(actor: Writer, db: Db, case_id: Id) -> None:
    actions.release(db, actor, requests.get_request(db, actor, case_id, lock=True))


@router.post("/{case_id}/viewing", responses=_ABSENT)
def viewing(actor: Reader, db: Db, case_id: Id) -> schemas.Viewers:
    """Says that the caller has it open just now, and learns who else has."""
    request = requests.get_request(db, actor, case_id)
    return schemas.Viewers(names=request_actions.look(db, actor, request), version=request.version)


@router.get("/{case_id}/comments", response_model=Page[said.CommentItem], responses=_ABSENT)
async def comments(asking: Listed, case_id: Id) -> Response:
    return await asking.page(
        lambda db, actor: whole(requests.comments(db, actor, requests.get_request(db, actor, case_id)))
    )


@router.post("/{case_id}/comments", status_code=204, responses=_ABSENT)
def comment(actor: Writer, db: Db, case_id: Id, new: schemas.NewComment) -> None:
    actions.comment(db, actor, requests.get_request(db, actor, case_id, lock=True), new)


@router.post("/{case_id}/read", status_code=204, responses=_ABSENT)
def read(actor: Reader, db: Db, case_id: Id, new: said.ReadUpTo) -> None:
    request_actions.read_up_to(db, actor, requests.get_request(db, actor, case_id), new.comment_id)


@router.get("/{case_id}/sites/{site_id}/entry", response_model=Page[schemas.EntryItem], responses=_ABSENT)
async def entry(asking: Listed, case_id: Id, site_id: Id) -> Response:
    """投入用シート: what goes into which box of the carrier's screen."""

    def found(db: Session, actor: Actor) -> dict[str, Any]:
        request = requests.get_request(db, actor, case_id)
        return whole([*queries.entry(db, request, requests.get_site(db, request, site_id))])

    return await asking.page(found)


@router.get(
    "/{case_id}/sites/{site_id}/entry.csv", response_class=Response, responses=answers.described(Kind.CSV) | _ABSENT
)
def entry_as_csv(actor: Reader, db: Db, case_id: Id, site_id: Id) -> Response:
    request = requests.get_request(db, actor, case_id)
    site = requests.get_site(db, request, site_id)
    return exports.entry_as_csv(db, actor, request, site, queries.entry(db, request, site))


@router.get(
    "/{case_id}/sites/{site_id}/entry.xlsx", response_class=Response, responses=answers.described(Kind.XLSX) | _ABSENT
)
def entry_as_excel(actor: Reader, db: Db, case_id: Id, site_id: Id) -> Response:
    request = requests.get_request(db, actor, case_id)
    site = requests.get_site(db, request, site_id)
    return exports.entry_as_excel(db, actor, request, site, queries.entry(db, request, site))
