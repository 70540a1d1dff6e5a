"""HTTP routes of 運営ダッシュボード (4.2.1), one for each block."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from service.core.access.auth import Actor, allow
from service.core.http.problem_responses import refusals
from service.core.routing.replica_reads import ReadDb
from service.reservations.figures import queries, schemas

Reader = Annotated[Actor, allow("reservations:dashboard:read")]
router = APIRouter(
    prefix="/api/reservations/dashboard",
    tags=["reservations"],
    responses=refusals(400, 401, 403, 422, 503),
)


@router.get("/today")
def today(actor: Reader, db: ReadDb) -> schemas.Today:
    """Today's reservations by status, and today's 手動対応."""
    return queries.today(db)


@router.get("/week")
def week(actor: Reader, db: ReadDb) -> schemas.Week:
    """予約成功率 and 決済成功率 of each day of this week; キャンセル率 compared with the week before."""
    return queries.week(db)


@router.get("/notices")
def notices(actor: Reader, db: ReadDb) -> schemas.Notices:
    """The latest Slack messages."""
    return queries.notices(db)
