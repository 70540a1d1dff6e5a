"""Attendance: the document's route (TR-AD-001), and the routes of the dashboards."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.resources import PathId
from service.core.routing.replica_reads import ReadDb
from service.core.values.texts import MonthText
from service.core.values.times import parse_month
from service.entries.attendance import actions, queries, schemas

Reader = Annotated[Actor, allow("entries:attendance:read")]
router = APIRouter(tags=["entries"], responses=refusals(400, 401, 403, 404, 422, 503))


@router.get("/api/attendance")
def by_the_document(
    actor: Reader, db: Db, day: Annotated[schemas.Day | None, Query(alias="date")] = None
) -> list[schemas.ChildDay]:
    """Of today, unless `date` is given."""
    return queries.attendance_by_child(db, actor, day)


@router.get("/api/entries/attendance")
def sheet(actor: Reader, db: Db, filters: Annotated[schemas.Filters, Query()]) -> schemas.DaySheet:
    """出欠表管理."""
    return queries.day_sheet(db, actor, filters)


@router.put("/api/entries/children/{child_id}/attendance/{day}", status_code=204, responses=refusals(409))
def write(
    actor: Annotated[Actor, allow("entries:attendance:update")],
    db: Db,
    child_id: PathId,
    day: schemas.Day,
    new: schemas.Written,
) -> None:
    actions.save_attendance(db, actor, child_id, day, new)


@router.get("/api/entries/children/{child_id}/months/{month}")
def month(actor: Reader, db: ReadDb, child_id: PathId, month: MonthText) -> schemas.MonthReport:
    """詳細レポート."""
    return queries.child_month(db, actor, child_id, parse_month(month))
