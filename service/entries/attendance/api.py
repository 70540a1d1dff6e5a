"""Attendance: the document's route (TR-AD-001), and those of the pages."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from service.core.auth import Actor, allow
from service.core.db import Db
from service.core.problems import RESPONSES
from service.core.reading import ReadDb
from service.core.texts import MonthText
from service.core.times import parse_month
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
    """Today's, unless another day is asked for."""
    return [schemas.ChildDay.model_validate(row) for row in queries.by_the_document(db, actor, day)]


@router.get("/api/entries/attendance")
def sheet(
    actor: Annotated[Actor, allow("entries:attendance:read")], db: Db, filters: Annotated[schemas.Filters, Query()]
) -> schemas.DaySheet:
    """出欠表管理."""
    return schemas.DaySheet.model_validate(queries.sheet(db, actor, filters))


@router.put("/api/entries/children/{child_id}/attendance/{day}", status_code=204, responses={409: RESPONSES[409]})
def write(
    actor: Annotated[Actor, allow("entries:attendance:update")],
    db: Db,
    child_id: Id,
    day: schemas.Day,
    new: schemas.Written,
) -> None:
    actions.write(db, actor, child_id, day, new)


@router.get("/api/entries/children/{child_id}/months/{month}")
def month(
    actor: Annotated[Actor, allow("entries:attendance:read")], db: ReadDb, child_id: Id, month: MonthText
) -> schemas.MonthReport:
    """詳細レポート."""
    return schemas.MonthReport.model_validate(queries.month(db, actor, child_id, parse_month(month)))
