"""Scans and logs, in the document's words (appendix A)."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.core.texts import NO_NUL, ONE_LINE, Instant, Key, NotBlank
from service.entries.rules import EntryType
from service.entries.wire import Moment, Wire


class Scan(Wire):
    """`nursery_id` is the station's own, whatever is said here. `client_event_id` is the scan's name: sent again, it is
    answered as the first time. `scanned_at` and `sent_at` are by the station's clock."""

    parent_id: int | Annotated[str, Field(max_length=100, pattern=NO_NUL)]
    nursery_id: int | None = None
    entry_type: EntryType
    client_event_id: uuid.UUID | None = None
    scanned_at: Instant | None = None
    sent_at: Instant | None = None


class Recorded(Wire):
    id: int
    parent_id: int
    parent_name: str
    nursery_id: int
    entry_type: EntryType
    timestamp: Moment
    child_names: list[str]
    # The same parent was scanned the same way within ten seconds: this is that scan, and nothing was stored.
    already_recorded: bool = False


class Replay(Wire):
    """Scans that waited in a station's queue, in the order they were made."""

    scans: Annotated[list[Scan], Field(min_length=1, max_length=100)]


class Replayed(Wire):
    """What the document's door would have answered: 201 stored now, 200 known before, or why not, in words."""

    status: int
    log: Recorded | None = None
    detail: str | None = None


class Replays(Wire):
    results: list[Replayed]


class LogItem(Wire):
    id: int
    parent_name: str
    entry_type: EntryType
    timestamp: Moment
    child_names: list[str]
    nursery_name: str


class LogPage(Wire):
    logs: list[LogItem]
    total_count: int
    page: int
    page_size: int


def _day_or_moment(given: object) -> object:
    """`2026-01-14`, or `2026-01-14T09:15:32Z`."""
    if not isinstance(given, str):
        return given
    return date.fromisoformat(given) if len(given) == len("2026-01-14") else datetime.fromisoformat(given)


DayOrMoment = Annotated[date | Instant, BeforeValidator(_day_or_moment)]
Part = Annotated[str, Field(max_length=100, pattern=NO_NUL)]


class Asked(Wire):
    """The document's query (A.2). `from` and `to` are Tokyo days, both included, or moments."""

    since: Annotated[DayOrMoment | None, Field(alias="from")] = None
    until: Annotated[DayOrMoment | None, Field(alias="to")] = None
    parent_name: Part | None = None
    child_name: Part | None = None
    entry_type: EntryType | None = None
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    page_size: Annotated[int, Field(ge=1, le=100)] = 50


class LogFilters(BaseModel):
    """What the dashboards' list can be cut by; days are Tokyo's, both included."""

    nursery_id: Key | None = None
    first_day: date | None = None
    last_day: date | None = None
    parent_name: Part | None = None
    child_name: Part | None = None
    entry_type: EntryType | None = None
    deleted: bool = False
    sort: Annotated[str, Field(max_length=50)] = "-timestamp"


class LogRow(BaseModel):
    id: int
    parent_id: int
    parent_name: str
    entry_type: EntryType
    timestamp: datetime
    child_names: list[str]
    nursery_id: int
    nursery_name: str
    created_at: datetime
    was_offline: bool
    skew_seconds: int | None
    deleted_at: datetime | None
    deleted_by: str | None
    delete_reason: str | None


class Deletion(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE), NotBlank]
