"""What goes in and out over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, Field

from service.agencies.figures.rules import By, Cancelled
from service.agencies.rules import Status
from service.core.paging import Page
from service.core.texts import Day, Key, MonthText


class PeriodFilters(BaseModel):
    """Days of Tokyo, both included, or a month: requests by 投入依頼日, acquired sites by 投入完了日."""

    agency_id: Key | None = None
    month: MonthText | None = None
    since: Day | None = None
    until: Day | None = None
    cancelled: Cancelled = Cancelled.INCLUDED


class FigureFilters(PeriodFilters):
    sort: Annotated[str, Field(max_length=50)] = "-requests"


class Numbers(BaseModel):
    """Requests by their status, and sites that were entered. `rate`: 不備率 in percent, null where nothing was asked
    for."""

    requests: int
    deficient: int
    working: int
    entered: int
    cancelled: int
    acquired_sites: int
    rate: int | None


class Figure(Numbers):
    """Of an agency, whose id it has."""

    id: int
    name: str
    code: str
    is_active: bool


class FiguresPage(Page[Figure]):
    """`whole`: of all agencies that were asked for, on whatever page they stand."""

    whole: Numbers
    as_of: datetime


class SeriesFilters(BaseModel):
    """Without days: the last 12 months, or 31 days."""

    by: By = By.MONTH
    agency_id: Key | None = None
    since: Day | None = None
    until: Day | None = None


class Point(BaseModel):
    """`first` is the day, or the month's first one."""

    first: date
    requests: int
    acquired_sites: int


class Series(BaseModel):
    points: list[Point]


class Waiting(BaseModel):
    """An open request that has waited for long."""

    id: int
    corporation_name: str
    agency_name: str
    status: Status
    claimed_by_name: str | None
    created_at: datetime


class Period(BaseModel):
    requests: int
    acquired_sites: int


class Dashboard(BaseModel):
    """`working`: open requests that are 対応中, of which nobody has taken `unclaimed`; `before`: the month before as
    far as this one has gone. `oldest`: those that have waited longest, that one first."""

    as_of: datetime
    deficient: int
    working: int
    unclaimed: int
    oldest: list[Waiting]
    today: Period
    month: Period
    before: Period
