"""Request and response models of the management routes."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.values.texts import MonthText
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
    """`month`: 2026-11. `operations`: 手動対応 that began in it."""

    month: str
    operations: int


class Overview(BaseModel):
    """`months`: up to twelve, the newest last. `is_over`: the newest month is complete. `counted_at`: the last count,
    null before the first one. `is_late`: the last nightly count is missing. `all_months`: the newest first."""

    as_of: datetime
    counted_at: datetime | None
    is_late: bool
    is_over: bool
    months: list[MonthNumbers]
    all_months: list[str]


class MonthFilters(BaseModel):
    sort: Annotated[str, Field(max_length=50)] = "-month"


class MonthItem(BaseModel):
    """Rates in percent, null without data."""

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
    """Without `month`: all months."""

    month: MonthText | None = None


class ServiceNumbers(Numbers):
    name: str


class ShopNumbers(Numbers):
    """`place`: by confirmed reservations; equal counts share a place. An unlisted shop has no code."""

    place: int
    code: str
    name: str


class DayNumbers(Numbers):
    day: date


class Parts(BaseModel):
    """Of a month; or, without `month`, of the months in `Overview`, without days."""

    month: str | None
    services: list[ServiceNumbers]
    shops: list[ShopNumbers]
    days: list[DayNumbers]


class ReportItem(BaseModel):
    """`sent_at`: null while it is not sent yet. `recipients`: empty when no manager had an address."""

    id: int
    month: str
    is_automatic: bool
    asked_at: datetime
    asked_by: str
    sent_at: datetime | None
    recipients: list[str]
    pdf_id: uuid.UUID | None


class Reports(BaseModel):
    """`recipients`: the current recipients of a report."""

    as_of: datetime
    recipients: list[str]
    items: list[ReportItem]


class NewReport(BaseModel):
    """`recipients`: the number that the sender confirmed; when the current number differs, nothing is sent."""

    model_config = ConfigDict(extra="forbid")

    month: MonthText
    recipients: Annotated[int, Field(ge=1, lt=2**31)]


class Recounted(BaseModel):
    counted_at: datetime
    months: int
