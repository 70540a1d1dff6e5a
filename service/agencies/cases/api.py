"""Routes of cases: requests, for operators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.agencies.cases import actions, exports, queries, schemas
from service.agencies.requests import actions as request_actions
from service.agencies.requests import queries as requests
from service.agencies.requests import schemas as request_schemas
from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page, single_page
from service.core.database.session import Db
from service.core.exports import answers
from service.core.http.problem_responses import refusals
from service.core.purposes import FileKind
from service.core.resources import PathId
from service.core.routing.replica_reads import ReadDb

Reader = Annotated[Actor, allow("agencies:case:read")]
Writer = Annotated[Actor, allow("agencies:case:update")]
router = APIRouter(prefix="/api/agencies/cases", tags=["agencies"], responses=refusals(400, 401, 403, 422, 503))


@router.get("")
def cases(
    actor: Reader,
    db: ReadDb,
    filters: Annotated[schemas.CaseFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.CaseItem]:
    return queries.cases(db, actor, limit, cursor, filters)


@router.get("/counts")
def counts(actor: Reader, db: ReadDb) -> schemas.CaseCounts:
    return queries.counts(db, actor)


@router.get("/sales-people")
def sales_people(actor: Reader, db: Db) -> Page[schemas.PersonItem]:
    return single_page(queries.sales_people(db, actor))


@router.get("/agencies")
def agencies(actor: Reader, db: Db) -> Page[schemas.AgencyItem]:
    return single_page(queries.agencies(db, actor))


@router.get("/operators")
def operators(actor: Reader, db: Db) -> Page[schemas.PersonItem]:
    return single_page(queries.operators(db))


@router.get("/{case_id}", responses=refusals(404))
def case(actor: Reader, db: Db, case_id: PathId) -> schemas.CaseDetail:
    return queries.case(db, actor, case_id)


@router.patch("/{case_id}", responses=refusals(404, 409))
def change(actor: Writer, db: Db, case_id: PathId, new: schemas.CaseChange) -> schemas.CaseDetail:
    actions.change(db, actor, requests.get_request(db, actor, case_id, lock=True), new)
    db.flush()
    return queries.case(db, actor, case_id)


@router.post("/{case_id}/deficiency", status_code=204, responses=refusals(404, 409))
def report(actor: Writer, db: Db, case_id: PathId, new: schemas.Deficiency) -> None:
    actions.report_deficiency(db, actor, requests.get_request(db, actor, case_id, lock=True), new)


@router.post("/{case_id}/put-right", status_code=204, responses=refusals(404, 409))
def put_right(actor: Writer, db: Db, case_id: PathId, new: schemas.PutRight) -> None:
    actions.resolve_deficiencies(db, actor, requests.get_request(db, actor, case_id, lock=True), new)


@router.post("/{case_id}/claim", status_code=204, responses=refusals(404, 409))
def claim(actor: Writer, db: Db, case_id: PathId, new: schemas.Claim) -> None:
    actions.claim(db, actor, requests.get_request(db, actor, case_id, lock=True), take_over=new.take_over)


@router.post("/{case_id}/hand-over", status_code=204, responses=refusals(404, 409))
def hand_over(actor: Writer, db: Db, case_id: PathId, new: schemas.HandOver) -> None:
    actions.hand_over(db, actor, requests.get_request(db, actor, case_id, lock=True), new.user_id)


@router.post("/{case_id}/release", status_code=204, responses=refusals(404, 409))
def release(actor: Writer, db: Db, case_id: PathId) -> None:
    actions.release(db, actor, requests.get_request(db, actor, case_id, lock=True))


@router.post("/{case_id}/viewing", responses=refusals(404))
def viewing(actor: Reader, db: Db, case_id: PathId) -> schemas.Viewers:
    """Records that the user has the case open, and returns who else has."""
    request = requests.get_request(db, actor, case_id)
    return schemas.Viewers(names=request_actions.record_viewer(db, actor, request), version=request.version)


@router.get("/{case_id}/comments", responses=refusals(404))
def comments(actor: Reader, db: Db, case_id: PathId) -> Page[request_schemas.CommentItem]:
    return single_page(requests.comments(db, actor, requests.get_request(db, actor, case_id)))


@router.post("/{case_id}/comments", status_code=204, responses=refusals(404))
def comment(actor: Writer, db: Db, case_id: PathId, new: schemas.NewComment) -> None:
    actions.comment(db, actor, requests.get_request(db, actor, case_id, lock=True), new)


@router.post("/{case_id}/read", status_code=204, responses=refusals(404))
def read(actor: Reader, db: Db, case_id: PathId, new: request_schemas.ReadUpTo) -> None:
    request_actions.mark_read_up_to(db, actor, requests.get_request(db, actor, case_id), new.comment_id)


@router.get("/{case_id}/sites/{site_id}/entry", responses=refusals(404))
def entry(actor: Reader, db: Db, case_id: PathId, site_id: PathId) -> Page[schemas.EntryItem]:
    """投入用シート: the value for each field of the carrier's screen."""

    request = requests.get_request(db, actor, case_id)
    return single_page([*queries.entry(db, request, requests.get_site(db, request, site_id))])


@router.get(
    "/{case_id}/sites/{site_id}/entry.csv",
    response_class=Response,
    responses=answers.download_responses(FileKind.CSV) | refusals(404),
)
def entry_as_csv(actor: Reader, db: Db, case_id: PathId, site_id: PathId) -> Response:
    request = requests.get_request(db, actor, case_id)
    site = requests.get_site(db, request, site_id)
    return exports.entry_as_csv(db, actor, request, site, queries.entry(db, request, site))


@router.get(
    "/{case_id}/sites/{site_id}/entry.xlsx",
    response_class=Response,
    responses=answers.download_responses(FileKind.XLSX) | refusals(404),
)
def entry_as_excel(actor: Reader, db: Db, case_id: PathId, site_id: PathId) -> Response:
    request = requests.get_request(db, actor, case_id)
    site = requests.get_site(db, request, site_id)
    return exports.entry_as_excel(db, actor, request, site, queries.entry(db, request, site))
