"""Scans and logs, in the document's words (appendix A)."""

from __future__ import annotations

import uuid
from typing import Annotated

from pydantic import Field

from service.core.texts import NO_NUL, NotBlank
from service.entries.rules import EntryType
from service.entries.wire import GivenMoment, Moment, Wire


class Scan(Wire):
    """`nursery_id` is the station's own, whatever is said here. `client_event_id` is the scan's name: sent again, it is
    answered as the first time. `scanned_at` and `sent_at` are by the station's clock."""

    parent_id: int | Annotated[str, Field(max_length=100, pattern=NO_NUL)]
    nursery_id: int | None = None
    entry_type: EntryType
    client_event_id: uuid.UUID | None = None
    scanned_at: GivenMoment | None = None
    sent_at: GivenMoment | None = None


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


class Deletion(Wire):
    reason: Annotated[str, NotBlank, Field(max_length=200)]
