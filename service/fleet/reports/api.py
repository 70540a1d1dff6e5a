"""HTTP routes that return a PDF."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from service.core.access.auth import Actor, allow
from service.core.database.clock import app_now
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.printing import labels
from service.core.reports.render import render
from service.core.reports.response import PDF_ANSWER, Pdf
from service.core.values.times import TOKYO
from service.fleet.reports import queries, rules

router = APIRouter(
    prefix="/api/fleet",
    tags=["fleet"],
    responses={**PDF_ANSWER, **refusals(400, 401, 403, 422, 503)},
)


@router.get("/reports/status.pdf", response_class=Response)
def status_report(actor: Annotated[Actor, allow("fleet:report:read")], db: Db) -> Pdf:
    """The state of the fleet as a PDF, for printing or mailing."""
    report = rules.status_report(queries.status_facts(db))
    return Pdf(partial(render, report), f"{report.title}_{report.made_at.astimezone(TOKYO):%Y%m%d-%H%M}.pdf")


@router.get("/terminals/labels.pdf", response_class=Response, responses=refusals(404))
def terminal_labels(
    actor: Annotated[Actor, allow("fleet:terminal:read")],
    db: Db,
    customer_id: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    layout: Literal["24", "44", "65"] = "65",
    start: Annotated[int, Query(ge=1, le=65)] = 1,
) -> Pdf:
    """Labels for the terminals, each with its serial number as a QR code; `start`: the first free position of the
    sheet."""
    stock = labels.stock_for(layout, start)
    terminals = queries.terminal_labels(db, customer_id)
    return Pdf(partial(labels.sheets, terminals, stock, app_now(db), start=start), "端末ラベル.pdf")
