"""HTTP routes of monthly reports."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core.access.auth import Actor, allow
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.replica_reads import ReadDb
from service.core.tasks import records
from service.core.tasks.schemas import TaskAnswer
from service.core.values.texts import MonthText
from service.core.values.times import parse_month
from service.fleet.monthly import actions, queries, schemas

router = APIRouter(prefix="/api/fleet/reports/monthly", tags=["fleet"], responses=refusals(400, 401, 403, 422, 503))


@router.get("")
def reports(
    actor: Annotated[Actor, allow("fleet:report:read")],
    db: ReadDb,
    filters: Annotated[schemas.ReportFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.ReportItem]:
    """The report about all customers comes first."""
    return queries.reports(db, limit, cursor, filters)


@router.get("/overview")
def overview(
    actor: Annotated[Actor, allow("fleet:report:read")], db: ReadDb, month: MonthText | None = None
) -> schemas.Overview:
    """The progress of a month's reports (without a month: last month's), and the month's figures."""
    return queries.overview(db, parse_month(month) if month else None)


@router.post("/drafts", status_code=202, responses=refusals(409))
def draft(actor: Annotated[Actor, allow("fleet:report:create")], db: Db, new: schemas.NewDrafts) -> TaskAnswer:
    """Starts the task that drafts the reports; drafts are replaced, sent reports are not."""
    task = actions.start_drafting(db, actor, new)
    return records.answer(records.get(db, actor, task.id), actor)


@router.get("/{report_id}", responses=refusals(404))
def report(actor: Annotated[Actor, allow("fleet:report:read")], db: Db, report_id: PathId) -> schemas.ReportDetail:
    return queries.report(db, report_id)


@router.post("/{report_id}/send", responses=refusals(404, 409))
def send(
    actor: Annotated[Actor, allow("fleet:report:send")], db: Db, report_id: PathId, body: schemas.Sending
) -> schemas.ReportDetail:
    """Sends the report with its PDF to the customer's 連絡先メール."""
    actions.send(db, actor, report_id, body)
    db.flush()
    return queries.report(db, report_id)
