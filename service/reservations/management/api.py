"""HTTP routes of 経営ダッシュボード (4.2.2)."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.core.access.auth import Actor, allow
from service.core.database.clock import app_now
from service.core.database.paging import Cursor, Limit, Page
from service.core.database.session import Db
from service.core.exports import routes
from service.core.http.problem_responses import refusals
from service.core.reports.render import render
from service.core.reports.response import PDF_ANSWER, Pdf
from service.core.resources import Created
from service.core.routing.replica_reads import ReadDb
from service.core.values.texts import MonthText
from service.core.values.times import parse_month
from service.reservations.management import actions, exports, queries, rules, schemas

READ = "reservations:management:read"
Reader = Annotated[Actor, allow(READ)]
router = APIRouter(
    prefix="/api/reservations/management",
    tags=["reservations"],
    responses=refusals(400, 401, 403, 422, 503),
)

routes.add_export_routes(router, "/months", exports.MONTHS)
routes.add_export_routes(router, "/shops", exports.SHOPS)
routes.add_export_routes(router, "/services", exports.SERVICES)


@router.get("")
def overview(actor: Reader, db: ReadDb) -> schemas.Overview:
    """The figures of the newest months, and when they were counted."""
    return queries.overview(db)


@router.get("/parts", responses=refusals(404))
def parts(actor: Reader, db: ReadDb, month: MonthText | None = None) -> schemas.Parts:
    """Services, shops and days of a month. Without a month: of the newest twelve months together."""
    return queries.parts(db, parse_month(month) if month else None)


@router.get("/months")
def months(
    actor: Reader,
    db: ReadDb,
    filters: Annotated[schemas.MonthFilters, Query()],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.MonthItem]:
    return queries.months(db, limit, cursor, filters)


@router.get("/report.pdf", response_class=Response, responses=PDF_ANSWER | refusals(404))
def report(actor: Reader, db: Db, month: MonthText) -> Pdf:
    """The report of a month as PDF."""
    facts = queries.facts(db, parse_month(month))
    return Pdf(partial(render, rules.build_report(facts)), rules.file_name(facts.month))


@router.get("/reports")
def reports(actor: Reader, db: Db) -> schemas.Reports:
    """The reports that were mailed, and the current recipients."""
    return queries.reports(db)


@router.post("/reports", status_code=201, responses=refusals(404, 409))
def send(actor: Annotated[Actor, allow("reservations:management:send")], db: Db, new: schemas.NewReport) -> Created:
    """Requests the report of a month; a job mails it to managers."""
    return Created(id=actions.request_report(db, actor, new).id)


@router.post("/recount")
def recount(actor: Annotated[Actor, allow("reservations:management:recount")], db: Db) -> schemas.Recounted:
    """Counts all months again, from the first reservation on."""
    return schemas.Recounted(months=len(actions.recount(db, actor)), counted_at=app_now(db))
