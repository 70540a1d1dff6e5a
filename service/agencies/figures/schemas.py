"""Filters and responses of the figures' routes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, Field

from service.agencies.figures.rules import By, Cancelled
from service.agencies.rules import Status
from service.core.database.paging import Page
from service.core.values.periods import not_before
from service.core.values.texts import Day, MonthText, RecordId


class PeriodFilters(BaseModel):
    """Days of Tokyo, both included, or a month: requests by 投入依頼日, acquired sites by 投入完了日."""

    agency_id: RecordId | None = None
    month: MonthText | None = None
    since: Day | None = None
    until: Annotated[Day | None, not_before("since")] = None
    cancelled: Cancelled = Cancelled.INCLUDED


class FigureFilters(PeriodFilters):
    sort: Annotated[str, Field(max_length=50)] = "-requests"


class Numbers(BaseModel):
    """Requests by their status, and sites that were entered. `rate`: 不備率 in percent, null without requests."""

    requests: int
    deficient: int
    working: int
    entered: int
    cancelled: int
    acquired_sites: int
    rate: int | None


class Figure(Numbers):
    """The numbers of an agency; `id` is the agency's."""

    id: int
    name: str
    code: str
    is_active: bool


class FiguresPage(Page[Figure]):
    """`whole`: the sum of all agencies that match the filters, not only of this page."""

    whole: Numbers
    as_of: datetime


class SeriesFilters(BaseModel):
    """Without days: the last 12 months, or 31 days."""

    by: By = By.MONTH
    agency_id: RecordId | None = None
    since: Day | None = None
    until: Annotated[Day | None, not_before("since")] = None


class Point(BaseModel):
    """`first` is the day, or the first day of the month."""

    first: date
    requests: int
    acquired_sites: int


class Series(BaseModel):
    points: list[Point]


class Waiting(BaseModel):
    """One of the open requests that have waited longest."""

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
    """`working`: open requests that are 対応中; `unclaimed`: those of them that no operator has claimed; `before`: the
    same part of the previous month. `oldest`: the open requests that have waited longest, the oldest first."""

    as_of: datetime
    deficient: int
    working: int
    unclaimed: int
    oldest: list[Waiting]
    today: Period
    month: Period
    before: Period
