"""What goes in and out of the monthly reports' doors over HTTP."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.core.texts import Key, MonthText
from service.fleet.monthly.rules import MonthFigures


class ReportFilters(BaseModel):
    """What the list of reports can be cut by. `draft` are the customers' that were not sent."""

    month: MonthText | None = None
    customer_id: Key | None = None
    q: Annotated[str, Field(max_length=100)] | None = None
    state: Literal["draft", "sent"] | None = None
    sort: Annotated[str, Field(max_length=50)] = "customer_name"


class ReportItem(BaseModel):
    """A month's report of a customer or, without one, of all. The files are got like any (GET /api/core/files/{id})."""

    id: int
    version: int
    month: str
    customer_id: int | None
    customer_name: str | None
    contact_email: str | None
    terminals: int
    incidents: int
    uptime: float | None
    uptime_before: float | None
    pdf_id: uuid.UUID
    csv_id: uuid.UUID
    drafted_at: datetime
    sent_at: datetime | None
    sent_to: str | None
    sent_by: str | None


class ReportDetail(ReportItem):
    """`before` are the same figures of the month before, if it has a report."""

    figures: MonthFigures
    before: MonthFigures | None


class Overview(BaseModel):
    """How far a month's reports are: `expected` as many as there are customers with terminals in it, and one about
    all; `sent` and `unsent` are customers'. `is_drafting`: the job is at it, and goes on until all are there. The
    figures are those of all."""

    as_of: datetime
    month: str
    months: list[str]
    is_summed_up: bool
    is_drafting: bool
    expected: int
    drafted: int
    first_drafted_at: datetime | None
    sent: int
    unsent: int
    drafted_at: datetime | None
    figures: MonthFigures | None
    before: MonthFigures | None


class NewDrafts(BaseModel):
    """Draft a month's reports, or one customer's, anew. Those that were sent stay as they are."""

    model_config = ConfigDict(extra="forbid")

    month: MonthText
    customer_id: Key | None = None


class Sending(BaseModel):
    """`again`: yes, although it was sent already."""

    model_config = ConfigDict(extra="forbid")

    version: int
    again: bool = False
