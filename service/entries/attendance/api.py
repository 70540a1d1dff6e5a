"""Attendance: the document's route (TR-AD-001), and the routes of the dashboards."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from service.core.access.auth import Actor, allow
from service.core.database.session import Db
from service.core.http.problem_responses import RESPONSES
from service.core.routing.replica_reads import ReadDb
from service.core.values.texts import MonthText
from service.core.values.times import parse_month
from service.entries.attendance import actions, queries, schemas

_REFUSALS: dict[int | str, dict[str, Any]] = {status: RESPONSES[status] for status in (400, 401, 403, 404, 422, 503)}
Id = Annotated[int, Path(ge=1, lt=2**63)]
router = APIRouter(tags=["entries"], responses=_REFUSALS)


@router.get("/api/attendance")
def by_the_document(
    actor: Annotated[Actor, allow("entries:attendance:read")],
    db: Db,
    day: Annotated[schemas.Day | None, Query(alias="date")] = None,
) -> list[schemas.ChildDay]:
    """Of today, unless `date` is given."""
    return [schemas.ChildDay.model_validate(row) for row in queries.attendance_by_child(db, actor, day)]


@router.get("/api/entries/attendance")
def sheet(
    actor: Annotated[Actor, allow("entries:attendance:read")], db: Db, filters: Annotated[schemas.Filters, Query()]
) -> schemas.DaySheet:
    """出欠表管理."""
    return schemas.DaySheet.model_validate(queries.day_sheet(db, actor, filters))


@router.put("/api/entries/children/{child_id}/attendance/{day}", status_code=204, responses={409: RESPONSES[409]})
def write(
    actor: Annotated[Actor, allow("entries:attendance:update")],
    db: Db,
    child_id: Id,
    day: schemas.Day,
    new: schemas.Written,
) -> None:
    actions.save_attendance(db, actor, child_id, day, new)


@router.get("/api/entries/children/{child_id}/months/{month}")
def month(
    actor: Annotated[Actor, allow("entries:attendance:read")], db: ReadDb, child_id: Id, month: MonthText
) -> schemas.MonthReport:
    """詳細レポート."""
    return schemas.MonthReport.model_validate(queries.child_month(db, actor, child_id, parse_month(month)))
