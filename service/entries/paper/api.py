"""Routes for printed documents (PDF), and the month's report as CSV."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from service.core.access.auth import Actor, allow
from service.core.database.clock import app_now
from service.core.database.session import Db
from service.core.exports import answers
from service.core.http.problem_responses import RESPONSES
from service.core.purposes import FileKind
from service.core.reports.render import render
from service.core.reports.response import PDF_ANSWER, Pdf
from service.core.values.texts import MonthText
from service.core.values.times import TOKYO, parse_month
from service.entries.attendance.queries import child_month
from service.entries.exports import csv_export
from service.entries.insights.schemas import NowFilters
from service.entries.paper import queries, rules

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 404, 422, 503)}
Id = Annotated[int, Path(ge=1, lt=2**63)]
router = APIRouter(prefix="/api/entries", tags=["entries"], responses=_REFUSALS)


@router.get("/paper-list.pdf", response_class=Response, responses=PDF_ANSWER)
def paper_list(
    actor: Annotated[Actor, allow("entries:attendance:read")], db: Db, filters: Annotated[NowFilters, Query()]
) -> Pdf:
    """Today's children by class, to fill in by hand while the station does not work (NFR-A-003)."""
    nursery, children = queries.children_by_class(db, actor, filters.nursery_id)
    now = app_now(db)
    report = rules.paper_list(nursery, now, children)
    return Pdf(partial(render, report), f"{report.title}_{nursery}_{now.astimezone(TOKYO):%Y%m%d}.pdf")


@router.get("/children/{child_id}/months/{of}/report.pdf", response_class=Response, responses=PDF_ANSWER)
def month_report(actor: Annotated[Actor, allow("entries:attendance:read")], db: Db, child_id: Id, of: MonthText) -> Pdf:
    """詳細レポート on paper."""
    month_data = child_month(db, actor, child_id, parse_month(of))
    return Pdf(partial(render, rules.month_report(month_data, app_now(db))), f"{rules.month_title(month_data)}.pdf")


@router.get(
    "/children/{child_id}/months/{of}/report.csv",
    response_class=Response,
    responses=answers.download_responses(FileKind.CSV),
)
def month_file(
    actor: Annotated[Actor, allow("entries:attendance:read")], db: Db, child_id: Id, of: MonthText
) -> Response:
    month_data = child_month(db, actor, child_id, parse_month(of))
    return csv_export(
        db, actor, "month_report", rules.month_title(month_data), rules.MONTH_HEADER, rules.month_rows(month_data)
    )
