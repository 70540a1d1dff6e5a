"""What goes in and out of the incidents' doors over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.targets import State as Target
from service.core.texts import NO_NUL, ONE_LINE, Day, Edition, Instant, NotBlank
from service.reservations.incidents.rules import Level, Mark, Status

Title = Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE), NotBlank]
Words = Annotated[str, Field(max_length=2000, pattern=NO_NUL)]
Note = Annotated[str, Field(min_length=1, max_length=1000, pattern=NO_NUL), NotBlank]


class IncidentFilters(BaseModel):
    """`state`: those with something left to do, one of their states, or all. `q` is part of the number, the title or
    what is recorded. `since` and `until` are days of 発生日時, both included."""

    state: Annotated[str, Field(pattern="^(unfinished|open|follow_up|done|all)$")] = "unfinished"
    level: Level | None = None
    late: bool | None = None
    since: Day | None = None
    until: Day | None = None
    q: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    sort: Annotated[str, Field(max_length=50)] = "-detected_at"


class IncidentItem(BaseModel):
    """`next_…`: the step that is due next, and how its target stands; `left_seconds` are those of its calendar,
    negative when late. Null when nothing is left to do."""

    id: int
    version: int
    code: str
    title: str
    level: Level
    status: Status
    detected_at: datetime
    impact: str
    cause: str
    response: str
    recovered_at: datetime | None
    prevention: str
    opened_by: str
    resolved_at: datetime | None
    resolved_by: str | None
    next_title: str | None
    next_due_at: datetime | None
    next_response: Target | None
    left_seconds: int | None


class MarkItem(BaseModel):
    """`tells`: done by telling management, which happens of itself when it is time."""

    mark: Mark
    title: str
    hints: list[str]
    tells: bool
    due_at: datetime
    response: Target
    left_seconds: int
    done_at: datetime | None
    done_by: str | None
    note: str


class EventItem(BaseModel):
    id: int
    at: datetime
    kind: str
    by: str
    text: str | None


class IncidentDetail(IncidentItem):
    """`report_template`: what a report begins with; `told_customers`: how many were sent the status SMS."""

    report: str
    report_template: str
    report_due_at: datetime | None
    marks: list[MarkItem]
    events: list[EventItem]
    told_customers: int


class Counts(BaseModel):
    """For the menu and the first line of the page."""

    as_of: datetime
    open: int
    critical: int
    follow_up: int
    overdue: int


class NewIncident(BaseModel):
    """Without `detected_at` it was detected now."""

    model_config = ConfigDict(extra="forbid")

    title: Title
    level: Level
    detected_at: Instant | None = None
    impact: Words = ""


class IncidentChange(BaseModel):
    """What is left out, or null, stays as it is. `version` is the one that was read."""

    model_config = ConfigDict(extra="forbid")

    version: Edition
    title: Title | None = None
    detected_at: Instant | None = None
    impact: Words | None = None
    cause: Words | None = None
    response: Words | None = None
    recovered_at: Instant | None = None
    prevention: Words | None = None
    report: Annotated[str, Field(max_length=20000, pattern=NO_NUL)] | None = None


class LevelChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Edition
    level: Level
    reason: Note


class Done(BaseModel):
    """A step that is done."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[str, Field(max_length=1000, pattern=NO_NUL)] = ""


class NewNote(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Note


class Resolution(BaseModel):
    """Service is back since `recovered_at` (復旧日時); without it, since now, or since what was recorded."""

    model_config = ConfigDict(extra="forbid")

    version: Edition
    recovered_at: Instant | None = None


class Waiting(BaseModel):
    """Who would be sent the status SMS now: customers who wait, and those whose reservation is confirmed; without those
    who were sent one already."""

    text: str
    waiting: int
    confirmed: int
    told: int


class StatusText(BaseModel):
    """`recipients`: how many the sender has confirmed; when it has become another number, nothing is sent."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=400, pattern=NO_NUL), NotBlank]
    include_confirmed: bool = False
    recipients: Annotated[int, Field(ge=1, lt=2**31)]


class Made(BaseModel):
    id: int
