"""What goes in and out of the management's doors over HTTP."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.texts import MonthText
from service.reservations.figures.schemas import Share


class Numbers(BaseModel):
    """As `figures.rules.Counts`; money in yen."""

    requested: int
    confirmed: int
    failed: int
    completed: int
    cancelled: int
    links_paid: int
    links_unpaid: int
    paid: int
    refunded: int
    sales: int
    success: Share
    payment: Share
    cancellation: Share


class MonthNumbers(Numbers):
    """`month` is 2026-11; `operations`: 手動対応 that began in it."""

    month: str
    operations: int


class Overview(BaseModel):
    """`months`: up to twelve, the newest one last; `is_over`: that one is whole. `counted_at`: when they were counted,
    null before the first time; `is_late`: the last night's counting is missing. `all_months`: the newest one first."""

    as_of: datetime
    counted_at: datetime | None
    is_late: bool
    is_over: bool
    months: list[MonthNumbers]
    all_months: list[str]


class MonthFilters(BaseModel):
    sort: Annotated[str, Field(max_length=50)] = "-month"


class MonthItem(BaseModel):
    """Rates in percent, null of nothing."""

    id: int
    month: str
    requested: int
    confirmed: int
    failed: int
    completed: int
    cancelled: int
    success_percent: float | None
    payment_percent: float | None
    cancellation_percent: float | None
    operations: int
    paid: int
    refunded: int
    sales: int


class PartFilters(BaseModel):
    """Without a month: of all of them."""

    month: MonthText | None = None


class ServiceNumbers(Numbers):
    name: str


class ShopNumbers(Numbers):
    """`place` by confirmed reservations; equals share one. One that is in no list has no code."""

    place: int
    code: str
    name: str


class DayNumbers(Numbers):
    day: date


class Parts(BaseModel):
    """Of a month, or without one of the months that `Overview` shows, which have no days."""

    month: str | None
    services: list[ServiceNumbers]
    shops: list[ShopNumbers]
    days: list[DayNumbers]


class ReportItem(BaseModel):
    """Without `sent_at` it is on its way; sent to nobody when none of the management had an address."""

    id: int
    month: str
    is_automatic: bool
    asked_at: datetime
    asked_by: str
    sent_at: datetime | None
    recipients: list[str]
    pdf_id: uuid.UUID | None


class Reports(BaseModel):
    """`recipients`: who would get one now."""

    as_of: datetime
    recipients: list[str]
    items: list[ReportItem]


class NewReport(BaseModel):
    """`recipients`: how many the sender has confirmed; when it has become another number, nothing is sent."""

    model_config = ConfigDict(extra="forbid")

    month: MonthText
    recipients: Annotated[int, Field(ge=1, lt=2**31)]


class Made(BaseModel):
    id: int


class Recounted(BaseModel):
    counted_at: datetime
    months: int
