"""HTTP routes of weekly and monthly reports."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.core import edits
from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db, transaction
from service.core.http.problem_responses import refusals
from service.core.reports.render import render
from service.core.reports.response import PDF_ANSWER, Pdf
from service.core.resources import Created, PathId
from service.core.routing.replica_reads import ReadDb
from service.reservations.drafts import actions, queries, rules, schemas

READ = "reservations:report:read"
Reader = Annotated[Actor, allow(READ)]
Editor = Annotated[Actor, allow(queries.WRITE)]
Sender = Annotated[Actor, allow("reservations:report:send")]
router = APIRouter(
    prefix="/api/reservations/reports",
    tags=["reservations"],
    responses=refusals(400, 401, 403, 422, 503),
)


@router.get("")
def reports(
    actor: Reader,
    db: ReadDb,
    filters: Annotated[schemas.ReportFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.ReportItem]:
    """Drafts are listed only for users who may edit them."""
    return queries.reports(db, limit, cursor, filters, with_drafts=_sees_drafts(actor))


@router.post("", status_code=201, responses=refusals(409))
def draft(actor: Editor, db: Db, new: schemas.NewDraft) -> Created:
    """Drafts the report of the last complete period, if the job has not."""
    return Created(id=actions.draft(db, actor, new).id)


@router.get("/counts")
def counts(actor: Reader, db: ReadDb) -> schemas.Counts:
    return queries.counts(db, with_drafts=_sees_drafts(actor))


@router.get("/managers")
def managers(actor: Sender, db: Db) -> list[schemas.Manager]:
    """The usual recipients of a report."""
    return queries.managers(db)


@router.get("/{report_id}.pdf", response_class=Response, responses=PDF_ANSWER | refusals(404))
def paper(actor: Reader, db: Db, report_id: PathId) -> Pdf:
    printable = queries.printable_report(queries.get(db, report_id, with_drafts=_sees_drafts(actor)))
    return Pdf(partial(render, rules.build_report(printable)), rules.file_name(printable.kind, printable.days))


@router.get("/{report_id}", responses=refusals(404))
def report(actor: Reader, db: Db, report_id: PathId) -> schemas.ReportDetail:
    return _report_detail(db, actor, report_id)


@router.patch("/{report_id}", responses=refusals(404, 409))
def change(actor: Editor, db: Db, report_id: PathId, new: schemas.ReportChange) -> schemas.ReportDetail:
    actions.change(db, actor, report_id, new)
    return _report_detail(db, actor, report_id)


@router.post("/{report_id}/refresh", responses=refusals(404, 409))
def refresh(actor: Editor, db: Db, report_id: PathId, new: edits.Edit) -> schemas.ReportDetail:
    """Updates the figures to the current data."""
    actions.refresh(db, actor, report_id, new)
    return _report_detail(db, actor, report_id)


@router.post("/{report_id}/finish", responses=refusals(404, 409))
def finish(actor: Editor, db: Db, report_id: PathId, new: schemas.Finish) -> schemas.ReportDetail:
    actions.finish(db, actor, report_id, new)
    return _report_detail(db, actor, report_id)


@router.post("/{report_id}/reopen", responses=refusals(404, 409))
def reopen(actor: Editor, db: Db, report_id: PathId, new: schemas.Reopen) -> schemas.ReportDetail:
    """下書きに戻す."""
    actions.reopen(db, actor, report_id, new)
    return _report_detail(db, actor, report_id)


@router.post("/{report_id}/send", status_code=202, responses=refusals(404, 409))
def send(actor: Sender, report_id: PathId, new: schemas.Sending) -> schemas.Sent:
    """Mails the report with its PDF, which is rendered before the mail is queued."""
    return schemas.Sent(recipients=actions.send(partial(transaction, actor.scopes), actor, report_id, new))


def _sees_drafts(actor: Actor) -> bool:
    return queries.WRITE in actor.permissions


def _report_detail(db: Db, actor: Actor, report_id: int) -> schemas.ReportDetail:
    return queries.report_detail(db, report_id, with_drafts=_sees_drafts(actor))
