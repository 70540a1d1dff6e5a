"""Attendance, in the document's words (TR-AD-002) and for the pages."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.texts import NO_NUL, Key
from service.entries.rules import EntryType, Presence
from service.entries.wire import Moment, Wire

Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2100, 1, 1))]


class DayLog(Wire):
    log_id: int
    entry_type: EntryType
    timestamp: Moment
    parent_name: str


class DayAttendance(Wire):
    """What staff wrote down; the presence is null where they wrote a note alone."""

    date: date
    status: Presence | None
    note: str


class ChildDay(Wire):
    """The document's element: a child, what was written down, what was scanned, the oldest first."""

    child_id: int
    child_name: str
    attendances: list[DayAttendance]
    entry_exit_logs: list[DayLog]


class Filters(BaseModel):
    day: Day | None = None
    nursery_id: Key | None = None
    class_name: Annotated[str, Field(max_length=50, pattern=NO_NUL)] | None = None


class Scanned(BaseModel):
    log_id: int
    entry_type: EntryType
    timestamp: datetime
    parent_name: str


class Row(BaseModel):
    """A line of 出欠表管理. `suggested`: nobody has said so yet, the scans do. `version` 0: nothing is written down.
    `latest_entry` and `latest_exit` are what the column shows; `scans` all of the day, the oldest first."""

    child_id: int
    child_name: str
    class_name: str
    nursery_id: int
    presence: Presence | None
    suggested: bool
    note: str
    version: int
    updated_by: str | None
    latest_entry: datetime | None
    latest_exit: datetime | None
    scans: list[Scanned]


class DaySheet(BaseModel):
    """`counts`: children by presence, and those of whom nothing is known as `unknown`."""

    as_of: datetime
    day: date
    nursery_id: int
    nursery_name: str
    counts: dict[str, int]
    rows: list[Row]


class Written(BaseModel):
    """`version` is the one that was read, 0 when there was none."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=0, lt=2**31)]
    presence: Presence | None
    note: Annotated[str, Field(max_length=500, pattern=NO_NUL)] = ""


class MonthDay(BaseModel):
    day: date
    presence: Presence | None
    suggested: bool
    note: str
    first_entry: datetime | None
    last_exit: datetime | None
    scans: list[Scanned]


class MonthReport(BaseModel):
    """詳細レポート: a child's month."""

    child_id: int
    child_name: str
    class_name: str
    nursery_name: str
    month: date
    counts: dict[str, int]
    days: list[MonthDay]
