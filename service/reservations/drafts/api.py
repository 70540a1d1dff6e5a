"""The routes of the weekly and monthly reports: permission, one call, answer."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from service.core.auth import Actor, allow
from service.core.db import Db, transaction
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES
from service.core.reading import ReadDb
from service.core.reports.render import render
from service.core.reports.response import PDF_ANSWER, Pdf
from service.reservations.drafts import actions, queries, rules, schemas

_ABSENT: dict[int | str, dict[str, Any]] = {404: RESPONSES[404]}
_CONFLICT: dict[int | str, dict[str, Any]] = {409: RESPONSES[409]}
_EITHER = _ABSENT | _CONFLICT
Id = Annotated[int, Path(ge=1, lt=2**63)]
READ = "reservations:report:read"
Reader = Annotated[Actor, allow(READ)]
Writer = Annotated[Actor, allow(queries.WRITE)]
Sender = Annotated[Actor, allow("reservations:report:send")]
router = APIRouter(
    prefix="/api/reservations/reports",
    tags=["reservations"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 422, 503)},
)


@router.get("", response_model=Page[schemas.ReportItem])
async def reports(
    asking: Annotated[Asking, lists(READ, may_lag=True)],
    filters: Annotated[schemas.ReportFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """Drafts only for who may write them."""
    return await asking.page(
        lambda db, actor: queries.reports(db, limit, cursor, filters, with_drafts=_sees_drafts(actor))
    )


@router.post("", status_code=201, responses=_CONFLICT)
def draft(actor: Writer, db: Db, new: schemas.NewDraft) -> schemas.Made:
    """Of the last period that is over, when the job has not drafted it."""
    return schemas.Made(id=actions.draft(db, actor, new).id)


@router.get("/counts")
def counts(actor: Reader, db: ReadDb) -> schemas.Counts:
    return schemas.Counts.model_validate(queries.counts(db, with_drafts=_sees_drafts(actor)))


@router.get("/managers")
def managers(actor: Sender, db: Db) -> list[schemas.Manager]:
    """To whom a report usually goes."""
    return [schemas.Manager.model_validate(one) for one in queries.managers(db)]


@router.get("/{report_id}.pdf", response_class=Response, responses={**PDF_ANSWER, **_ABSENT})
def paper(actor: Reader, db: Db, report_id: Id) -> Pdf:
    found = queries.draft(queries.get(db, report_id, with_drafts=_sees_drafts(actor)))
    return Pdf(partial(render, rules.report(found)), rules.file_name(found.kind, found.days))


@router.get("/{report_id}", responses=_ABSENT)
def report(actor: Reader, db: Db, report_id: Id) -> schemas.ReportDetail:
    return _now(db, actor, report_id)


@router.patch("/{report_id}", responses=_EITHER)
def change(actor: Writer, db: Db, report_id: Id, new: schemas.ReportChange) -> schemas.ReportDetail:
    actions.change(db, actor, report_id, new)
    return _now(db, actor, report_id)


@router.post("/{report_id}/refresh", responses=_EITHER)
def refresh(actor: Writer, db: Db, report_id: Id, new: schemas.Read) -> schemas.ReportDetail:
    """The figures as they are known now."""
    actions.refresh(db, actor, report_id, new)
    return _now(db, actor, report_id)


@router.post("/{report_id}/finish", responses=_EITHER)
def finish(actor: Writer, db: Db, report_id: Id, new: schemas.Finish) -> schemas.ReportDetail:
    actions.finish(db, actor, report_id, new)
    return _now(db, actor, report_id)


@router.post("/{report_id}/reopen", responses=_EITHER)
def reopen(actor: Writer, db: Db, report_id: Id, new: schemas.Reopen) -> schemas.ReportDetail:
    """下書きに戻す."""
    actions.reopen(db, actor, report_id, new)
    return _now(db, actor, report_id)


@router.post("/{report_id}/send", status_code=202, responses=_EITHER)
def send(actor: Sender, report_id: Id, new: schemas.Sending) -> schemas.Sent:
    """With its PDF, which is made before the mail is written."""
    return schemas.Sent(recipients=actions.send(partial(transaction, actor.scopes), actor, report_id, new))


def _sees_drafts(actor: Actor) -> bool:
    return queries.WRITE in actor.permissions


def _now(db: Db, actor: Actor, report_id: int) -> schemas.ReportDetail:
    return schemas.ReportDetail.model_validate(queries.report_in_full(db, report_id, with_drafts=_sees_drafts(actor)))
