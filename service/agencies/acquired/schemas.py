"""Filters and responses of the routes of 獲得案件."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from service.agencies.fields.schemas import Search
from service.agencies.rules import Service, Status
from service.core.values.periods import not_before
from service.core.values.texts import Day, RecordId


class AcquiredFilters(BaseModel):
    """`since` and `until`: days of Tokyo, both included, of 投入完了日. `mine`: only of the user's own requests; true
    by default for sales."""

    q: Search | None = None
    since: Day | None = None
    until: Annotated[Day | None, not_before("since")] = None
    mine: bool | None = None
    agency_id: RecordId | None = None
    sort: Annotated[str, Field(max_length=50)] = "-last_entered_at"


class AcquiredSite(BaseModel):
    id: int
    request_id: int
    branch_name: str
    service_type: Service
    status: Status
    power_plan_name: str
    location_number: str
    entered_at: datetime


class AcquiredItem(BaseModel):
    """A corporation, how many of its sites match, and the newest of them (`queries.SITES` at most)."""

    id: int
    corporation_name: str
    agency_id: int
    agency_name: str
    sites_count: int
    last_entered_at: datetime
    sites: list[AcquiredSite]


class AcquiredCounts(BaseModel):
    """Totals of what the same filters match."""

    corporations: int
    sites: int
    last_entered_at: datetime | None
