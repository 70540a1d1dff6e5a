"""Request and response models of the maintenance routes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.values.texts import ONE_LINE, Instant, Name, NotBlank, RecordId
from service.fleet.maintenance.rules import Phase

MAX_WINDOWS = 20_000


class NewMaintenance(BaseModel):
    """For these terminals, or all of a customer, or all of one of its stores (the name without the till). Without
    `starts_at` it begins now."""

    model_config = ConfigDict(extra="forbid")

    terminal_ids: Annotated[list[RecordId], Field(min_length=1, max_length=MAX_WINDOWS)] | None = None
    customer_id: RecordId | None = None
    store: Name | None = None
    starts_at: Instant | None = None
    ends_at: Instant
    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE), NotBlank]


class Planned(BaseModel):
    """The created windows, one for each terminal."""

    ids: list[int]


class ToEnd(BaseModel):
    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[RecordId], Field(min_length=1, max_length=MAX_WINDOWS)]


class Ended(BaseModel):
    """How many windows were ended or cancelled."""

    ended: int


class MaintenanceFilters(BaseModel):
    """The filters of the list of windows."""

    phase: Phase | None = None
    terminal_id: RecordId | None = None
    customer_id: RecordId | None = None
    sort: Annotated[str, Field(max_length=50)] = "starts_at"


class MaintenanceItem(BaseModel):
    """`begun_at`, `ended_at`: when it actually began and ended; a cancelled one never began."""

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
