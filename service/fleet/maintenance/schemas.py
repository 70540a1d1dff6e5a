"""What goes in and out of maintenance's doors over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.texts import ONE_LINE, Instant, Key, Name, NotBlank
from service.fleet.maintenance.rules import Phase

MOST_AT_ONCE = 20_000


class NewMaintenance(BaseModel):
    """For some terminals, or all of a customer, or of one of its stores (the name without the till). Without a start
    it begins now."""

    model_config = ConfigDict(extra="forbid")

    terminal_ids: Annotated[list[Key], Field(min_length=1, max_length=MOST_AT_ONCE)] | None = None
    customer_id: Key | None = None
    store: Name | None = None
    starts_at: Instant | None = None
    ends_at: Instant
    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE), NotBlank]


class Planned(BaseModel):
    """The windows made, one for each terminal."""

    ids: list[int]


class ToEnd(BaseModel):
    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[Key], Field(min_length=1, max_length=MOST_AT_ONCE)]


class Ended(BaseModel):
    """How many windows were open and are not any more."""

    ended: int


class MaintenanceFilters(BaseModel):
    """What the list of windows can be cut by."""

    phase: Phase | None = None
    terminal_id: Key | None = None
    customer_id: Key | None = None
    sort: Annotated[str, Field(max_length=50)] = "starts_at"


class MaintenanceItem(BaseModel):
    """`begun_at` and `ended_at` are when it truly began and ended; one that was called off never began."""

    id: int
    phase: Phase
    terminal_id: int
    serial_number: str
    customer_id: int
    customer_name: str
    store_name: str
    starts_at: datetime
    ends_at: datetime
    reason: str
    created_at: datetime
    created_by: str | None
    begun_at: datetime | None
    ended_at: datetime | None
    ended_by: str | None
