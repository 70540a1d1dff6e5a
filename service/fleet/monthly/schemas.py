"""Request and response models of the routes for monthly reports."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.core.values.texts import MonthText, RecordId
from service.fleet.monthly.rules import MonthFigures


class ReportFilters(BaseModel):
    """The filters of the report list. `draft`: the customers' reports that were not sent."""

    month: MonthText | None = None
    customer_id: RecordId | None = None
    q: Annotated[str, Field(max_length=100)] | None = None
    state: Literal["draft", "sent"] | None = None
    sort: Annotated[str, Field(max_length=50)] = "customer_name"


class ReportItem(BaseModel):
    """A month's report about a customer or, without one, about all. Files: `GET /api/core/files/{id}`."""

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
    """`before`: the figures of the month before, if it has a report."""

    figures: MonthFigures
    before: MonthFigures | None


class Overview(BaseModel):
    """The progress of a month's reports. `expected`: one for each customer with terminals in the month, and one about
    all; `sent`, `unsent`: customers' reports. `is_drafting`: the job is drafting until all exist. The figures are about
    all customers."""

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
    """Drafts a month's reports, or one customer's, again. Sent reports stay unchanged."""

    model_config = ConfigDict(extra="forbid")

    month: MonthText
    customer_id: RecordId | None = None


class Sending(BaseModel):
    """`again`: send it although it was sent already."""

    model_config = ConfigDict(extra="forbid")

    version: int
    again: bool = False
