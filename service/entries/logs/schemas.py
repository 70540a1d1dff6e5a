"""Scans and logs in the format of the document (appendix A)."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from service.core.values.periods import not_before
from service.core.values.texts import NO_NUL, ONE_LINE, Day, Instant, NotBlank, RecordId
from service.entries.rules import EntryType
from service.entries.wire import CamelModel, UtcTimestamp


class Scan(CamelModel):
    """`nursery_id`, if given, must be the station's. `client_event_id` is the idempotency key: a scan that is sent
    again gets the first answer. `scanned_at` and `sent_at` are by the station's clock."""

    parent_id: int | Annotated[str, Field(max_length=100, pattern=NO_NUL)]
    nursery_id: int | None = None
    entry_type: EntryType
    client_event_id: uuid.UUID | None = None
    scanned_at: Instant | None = None
    sent_at: Instant | None = None


class Recorded(CamelModel):
    id: int
    parent_id: int
    parent_name: str
    nursery_id: int
    entry_type: EntryType
    timestamp: UtcTimestamp
    child_names: list[str]
    # The same parent was scanned with the same type within ten seconds: this is that log, and nothing was stored.
    already_recorded: bool = False


class Replay(CamelModel):
    """Scans of a station's offline queue, in the order in which they were scanned."""

    scans: Annotated[list[Scan], Field(min_length=1, max_length=100)]


class Replayed(CamelModel):
    """The answer of the document's route: 201 stored now, 200 known before, or the error and its message."""

    status: int
    log: Recorded | None = None
    detail: str | None = None


class Replays(CamelModel):
    results: list[Replayed]


class LogItem(CamelModel):
    id: int
    parent_name: str
    entry_type: EntryType
    timestamp: UtcTimestamp
    child_names: list[str]
    nursery_name: str


class LogPage(CamelModel):
    logs: list[LogItem]
    total_count: int
    page: int
    page_size: int


_INSTANT = TypeAdapter[datetime](Instant)


def _day_or_timestamp(value: object) -> object:
    """`2026-01-14`, or `2026-01-14T09:15:32Z`."""
    text = str(value)
    try:
        if len(text) == len("2026-01-14"):
            return date.fromisoformat(text)
        return _INSTANT.validate_python(text)
    except ValueError:
        raise ValueError("日付か日時を指定してください（例: 2026-01-14、2026-01-14T09:15:32Z）。") from None


DayOrTimestamp = Annotated[date | Instant, BeforeValidator(_day_or_timestamp)]
Part = Annotated[str, Field(max_length=100, pattern=NO_NUL)]


class LogQuery(CamelModel):
    """The document's query (A.2). `from` and `to` are days in Tokyo, both included, or timestamps."""

    since: Annotated[DayOrTimestamp | None, Field(alias="from")] = None
    until: Annotated[DayOrTimestamp | None, Field(alias="to"), not_before("since")] = None
    parent_name: Part | None = None
    child_name: Part | None = None
    entry_type: EntryType | None = None
    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    page_size: Annotated[int, Field(ge=1, le=100)] = 50


class LogFilters(BaseModel):
    """Filters of the dashboards' list. Days are days in Tokyo, both included."""

    nursery_id: RecordId | None = None
    first_day: Day | None = None
    last_day: Annotated[Day | None, not_before("first_day")] = None
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
