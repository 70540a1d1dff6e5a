"""The holiday calendar: days that the product does not count as working days."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from service.core import holidays
from service.core.access.auth import Actor, allow
from service.core.database.paging import Page
from service.core.database.session import Db
from service.core.http.problem_responses import refusals
from service.core.values.states import HolidaySource
from service.core.values.texts import ONE_LINE, NotBlank

router = APIRouter(prefix="/api/core/holidays", tags=["core"], responses=refusals(400, 401, 403, 422, 503))


Day = Annotated[date, Path(ge=date(2000, 1, 1), le=date(2100, 12, 31))]
Version = Annotated[int, Field(ge=1, lt=2**31)]


class Named(BaseModel):
    """`version` is the version that was read with the day; null adds the day."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=50, pattern=ONE_LINE), NotBlank]
    version: Version | None = None


class HolidayItem(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    day: date
    name: str
    source: HolidaySource
    version: int


@router.get("")
def of_year(
    actor: Annotated[Actor, allow("core:calendar:read")],
    db: Db,
    year: Annotated[int | None, Query(ge=2000, le=2100)] = None,
) -> Page[HolidayItem]:
    """All holidays of a year; without `year`, of the current year in Tokyo."""
    items = [HolidayItem.model_validate(holiday) for holiday in holidays.of_year(db, year)]
    return Page(items=items, total=len(items))


@router.put("/{day}", responses=refusals(409))
def put(actor: Annotated[Actor, allow("core:calendar:update")], db: Db, day: Day, new_holiday: Named) -> HolidayItem:
    return HolidayItem.model_validate(holidays.put(db, actor, day, new_holiday.name, new_holiday.version))


@router.delete("/{day}", status_code=204, responses=refusals(404, 409))
def remove(
    actor: Annotated[Actor, allow("core:calendar:update")],
    db: Db,
    day: Day,
    version: Annotated[int, Query(ge=1, lt=2**31)],
) -> None:
    holidays.remove(db, actor, day, version)
