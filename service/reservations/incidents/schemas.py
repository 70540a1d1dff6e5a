"""Request and response models of the incident routes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.edits import Edit, change_of
from service.core.values.periods import not_before
from service.core.values.targets import State as Target
from service.core.values.texts import NO_NUL, ONE_LINE, Day, Instant, NotBlank
from service.reservations.history import HistoryEvent
from service.reservations.incidents.rules import Level, Mark, Status

Title = Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE), NotBlank]
Text = Annotated[str, Field(max_length=2000, pattern=NO_NUL)]
Note = Annotated[str, Field(min_length=1, max_length=1000, pattern=NO_NUL), NotBlank]


class IncidentFilters(BaseModel):
    """`state`: unfinished (with open steps), one of the statuses, or all. `q`: part of the number, the title or the
    record. `since` and `until`: days of 発生日時, both included."""

    state: Annotated[str, Field(pattern="^(unfinished|open|follow_up|done|all)$")] = "unfinished"
    level: Level | None = None
    late: bool | None = None
    since: Day | None = None
    until: Annotated[Day | None, not_before("since")] = None
    q: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    sort: Annotated[str, Field(max_length=50)] = "-detected_at"


class IncidentItem(BaseModel):
    """`next_…`: the next due step and the state of its target; `left_seconds` are counted in its calendar, negative
    when late. Null when no step remains."""

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
    """`tells`: the step is the report to managers, which is sent automatically when it is due."""

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


class IncidentDetail(IncidentItem):
    """`report_template`: the default text of a report. `told_customers`: the number of recipients of the status SMS."""

    report: str
    report_template: str
    report_due_at: datetime | None
    marks: list[MarkItem]
    events: list[HistoryEvent]
    told_customers: int


class Counts(BaseModel):
    """For the menu and the summary line of the page."""

    as_of: datetime
    open: int
    critical: int
    follow_up: int
    overdue: int


class NewIncident(BaseModel):
    """Without `detected_at`: detected now."""

    model_config = ConfigDict(extra="forbid")

    title: Title
    level: Level
    detected_at: Instant | None = None
    impact: Text = ""


@change_of(NewIncident, fixed=("level",))
class IncidentChange(Edit):
    """Missing and null fields are not changed."""

    cause: Text | None = None
    response: Text | None = None
    recovered_at: Instant | None = None
    prevention: Text | None = None
    report: Annotated[str, Field(max_length=20000, pattern=NO_NUL)] | None = None


class LevelChange(Edit):
    level: Level
    reason: Note


class Done(BaseModel):
    """Marks a step as done."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[str, Field(max_length=1000, pattern=NO_NUL)] = ""


class NewNote(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Note


class Resolution(Edit):
    """`recovered_at` (復旧日時): when the service was restored. Default: the recorded time, else now."""

    recovered_at: Instant | None = None


class Waiting(BaseModel):
    """Recipients of the status SMS by number: waiting customers, and customers with a confirmed reservation, without
    those who have got it already (`told`)."""

    text: str
    waiting: int
    confirmed: int
    told: int


class StatusText(BaseModel):
    """`recipients`: the number that the sender confirmed; when the current number differs, nothing is sent."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[str, Field(min_length=1, max_length=400, pattern=NO_NUL), NotBlank]
    include_confirmed: bool = False
    recipients: Annotated[int, Field(ge=1, lt=2**31)]
