"""The monthly reports' routes: permission, one call, answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from service.core.api.tasks import TaskAnswer, described
from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES
from service.core.reading import ReadDb
from service.core.tasks import records
from service.core.texts import MonthText
from service.core.times import parse_month
from service.fleet.monthly import actions, queries, schemas

router = APIRouter(
    prefix="/api/fleet/reports/monthly",
    tags=["fleet"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 422, 503)},
)
Id = Annotated[int, Path(ge=1, lt=2**63)]


@router.get("", response_model=Page[schemas.ReportItem])
async def reports(
    asking: Annotated[Asking, lists("fleet:report:read", may_lag=True)],
    filters: Annotated[schemas.ReportFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    """The report about all stands before the customers'."""
    return await asking.page(lambda db, _: queries.reports(db, limit, cursor, filters))


@router.get("/overview")
def overview(
    actor: Annotated[Actor, allow("fleet:report:read")], db: ReadDb, month: MonthText | None = None
) -> schemas.Overview:
    """How far the reports of a month (of last month, without one) are, and how it went."""
    return schemas.Overview.model_validate(queries.overview(db, parse_month(month) if month else None))


@router.post("/drafts", status_code=202, responses={409: RESPONSES[409]})
def draft(actor: Annotated[Actor, allow("fleet:report:create")], db: Db, new: schemas.NewDrafts) -> TaskAnswer:
    """Starts the task that drafts them; drafts are replaced, what was sent is not."""
    task = actions.ordered(db, actor, new)
    return described(records.get(db, actor, task.id), actor)


@router.get("/{report_id}", responses={404: RESPONSES[404]})
def report(actor: Annotated[Actor, allow("fleet:report:read")], db: Db, report_id: Id) -> schemas.ReportDetail:
    return schemas.ReportDetail.model_validate(queries.report(db, report_id))


@router.post("/{report_id}/send", responses={404: RESPONSES[404], 409: RESPONSES[409]})
def send(
    actor: Annotated[Actor, allow("fleet:report:send")], db: Db, report_id: Id, asked: schemas.Sending
) -> schemas.ReportDetail:
    """To the customer's 連絡先メール, with the PDF."""
    actions.send(db, actor, report_id, asked)
    db.flush()
    return schemas.ReportDetail.model_validate(queries.report(db, report_id))
