"""The routes of 経営ダッシュボード (4.2.2): permission, one call, answer."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.core.auth import Actor, allow
from service.core.clock import app_now
from service.core.db import Db
from service.core.exports import doors
from service.core.lists import Asking, lists
from service.core.paging import Cursor, Limit, Page
from service.core.problems import RESPONSES
from service.core.reading import ReadDb
from service.core.reports.render import render
from service.core.reports.response import PDF_ANSWER, Pdf
from service.core.texts import MonthText
from service.core.times import parse_month
from service.reservations.management import actions, exports, queries, rules, schemas

READ = "reservations:management:read"
Reader = Annotated[Actor, allow(READ)]
router = APIRouter(
    prefix="/api/reservations/management",
    tags=["reservations"],
    responses={status: RESPONSES[status] for status in (400, 401, 403, 422, 503)},
)

doors.add(router, "/months", exports.MONTHS)
doors.add(router, "/shops", exports.SHOPS)
doors.add(router, "/services", exports.SERVICES)


@router.get("")
def overview(actor: Reader, db: ReadDb) -> schemas.Overview:
    """The newest months in figures, and when they were counted."""
    return schemas.Overview.model_validate(queries.overview(db))


@router.get("/parts", responses={404: RESPONSES[404]})
def parts(actor: Reader, db: ReadDb, month: MonthText | None = None) -> schemas.Parts:
    """Services, shops and days of a month; of the newest twelve together without one."""
    return schemas.Parts.model_validate(queries.parts(db, parse_month(month) if month else None))


@router.get("/months", response_model=Page[schemas.MonthItem])
async def months(
    asking: Annotated[Asking, lists(READ, may_lag=True)],
    filters: Annotated[schemas.MonthFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Response:
    return await asking.page(lambda db, _: queries.months(db, limit, cursor, filters))


@router.get("/report.pdf", response_class=Response, responses={**PDF_ANSWER, 404: RESPONSES[404]})
def report(actor: Reader, db: Db, month: MonthText) -> Pdf:
    """A month on paper."""
    facts = queries.facts(db, parse_month(month))
    return Pdf(partial(render, rules.report(facts)), rules.file_name(facts.month))


@router.get("/reports")
def reports(actor: Reader, db: Db) -> schemas.Reports:
    """What was sent by mail, and to whom one would go now."""
    return schemas.Reports.model_validate(queries.reports(db))


@router.post("/reports", status_code=201, responses={404: RESPONSES[404], 409: RESPONSES[409]})
def send(
    actor: Annotated[Actor, allow("reservations:management:send")], db: Db, new: schemas.NewReport
) -> schemas.Made:
    """A month's report is sent to the management, by a job."""
    return schemas.Made(id=actions.ask(db, actor, new).id)


@router.post("/recount")
def recount(actor: Annotated[Actor, allow("reservations:management:recount")], db: Db) -> schemas.Recounted:
    """Counts all months anew, from the first reservation on."""
    return schemas.Recounted(months=len(actions.recount(db, actor)), counted_at=app_now(db))
