"""Routes for printed documents (PDF), and the month's report as CSV."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.core.access.auth import Actor, allow
from service.core.database.clock import app_now
from service.core.database.session import Db
from service.core.exports import answers
from service.core.http.problem_responses import refusals
from service.core.purposes import FileKind
from service.core.reports.render import render
from service.core.reports.response import PDF_ANSWER, Pdf
from service.core.resources import PathId
from service.core.values.texts import MonthText, RecordId
from service.core.values.times import local_date, parse_month
from service.entries.attendance.queries import child_month
from service.entries.exports import csv_export
from service.entries.paper import queries, rules

Reader = Annotated[Actor, allow("entries:attendance:read")]
CSV_ANSWER = answers.download_responses(FileKind.CSV)
router = APIRouter(prefix="/api/entries", tags=["entries"], responses=refusals(400, 401, 403, 404, 422, 503))


@router.get("/paper-list.pdf", response_class=Response, responses=PDF_ANSWER)
def paper_list(actor: Reader, db: Db, nursery_id: Annotated[RecordId | None, Query()] = None) -> Pdf:
    """Today's children by class, to fill in by hand while the station does not work (NFR-A-003)."""
    nursery, children = queries.children_by_class(db, actor, nursery_id)
    now = app_now(db)
    report = rules.paper_list(nursery, now, children)
    return Pdf(partial(render, report), f"{report.title}_{nursery}_{local_date(now):%Y%m%d}.pdf")


@router.get("/children/{child_id}/months/{of}/report.pdf", response_class=Response, responses=PDF_ANSWER)
def month_report(actor: Reader, db: Db, child_id: PathId, of: MonthText) -> Pdf:
    """詳細レポート on paper."""
    report = child_month(db, actor, child_id, parse_month(of))
    return Pdf(partial(render, rules.month_report(report, app_now(db))), f"{rules.month_title(report)}.pdf")


@router.get("/children/{child_id}/months/{of}/report.csv", response_class=Response, responses=CSV_ANSWER)
def month_file(actor: Reader, db: Db, child_id: PathId, of: MonthText) -> Response:
    report = child_month(db, actor, child_id, parse_month(of))
    title, rows = rules.month_title(report), rules.month_rows(report)
    return csv_export(db, actor, "month_report", rules.MONTH_HEADER, rows, title=title)
