"""Attendance in the format of the document (TR-AD-002) and for the dashboards."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.values.texts import NO_NUL, RecordId
from service.entries.rules import EntryType, Presence
from service.entries.wire import CamelModel, UtcTimestamp

Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2100, 1, 1))]


class DayLog(CamelModel):
    log_id: int
    entry_type: EntryType
    timestamp: UtcTimestamp
    parent_name: str


class DayAttendance(CamelModel):
    """What staff entered; `status` is null when they entered only a note."""

    date: date
    status: Presence | None
    note: str


class ChildDay(CamelModel):
    """The document's element: a child, what staff entered, and the scans, oldest first."""

    child_id: int
    child_name: str
    attendances: list[DayAttendance]
    entry_exit_logs: list[DayLog]


class Filters(BaseModel):
    day: Day | None = None
    nursery_id: RecordId | None = None
    class_name: Annotated[str, Field(max_length=50, pattern=NO_NUL)] | None = None


class Scanned(BaseModel):
    log_id: int
    entry_type: EntryType
    timestamp: datetime
    parent_name: str


class SheetRow(BaseModel):
    """A row of 出欠表管理. `suggested`: `presence` comes from the scans, staff entered none. `version` 0: nothing is
    stored. `latest_entry` and `latest_exit` are what the column shows; `scans` are all of the day, oldest first."""

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
    """`counts`: children by presence; `unknown` are those without one."""

    as_of: datetime
    day: date
    nursery_id: int
    nursery_name: str
    counts: dict[str, int]
    rows: list[SheetRow]


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
