"""Request and response models of the incidents' routes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.core.edits import Edit
from service.core.values.targets import State
from service.core.values.texts import ASSIGNEE, NO_NUL, Instant, NotBlank, RecordId
from service.fleet.impact.rules import Impact
from service.fleet.incidents.rules import Scope
from service.fleet.rules import AlertType

LongText = Annotated[str, Field(min_length=1, max_length=2000, pattern=NO_NUL), NotBlank]
ShortText = Annotated[str, Field(max_length=500, pattern=NO_NUL)]


class IncidentFilters(BaseModel):
    """The filters of the incident list. `assignee`: a user's id, `me`, or `none`."""

    state: Annotated[str, Field(pattern="^(open|resolved|all)$")] = "open"
    alert_type: AlertType | None = None
    customer_id: RecordId | None = None
    terminal_id: RecordId | None = None
    assignee: Annotated[str, Field(pattern=ASSIGNEE)] | None = None
    q: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    sort: Annotated[str, Field(max_length=50)] = "due_at"


class Person(BaseModel):
    id: int
    name: str


class IncidentItem(BaseModel):
    """`step`: the next step to do; `due_at`: its deadline; `response`: the state of that target (all null when every
    step is done or the incident is resolved). `members_open` of `members` terminals have not recovered;
    `store_terminals`: how many terminals the affected stores have in total. `impact`: the impact on the business, null
    when resolved."""

    id: int
    version: int
    alert_type: AlertType
    scope: Scope
    customer_id: int | None
    customer_name: str | None
    store_name: str | None
    network: str | None
    terminal_id: int
    serial_number: str
    message: str
    members: int
    members_open: int
    store_terminals: int
    impact: Impact | None
    opened_at: datetime
    step: int | None
    due_at: datetime | None
    response: State | None
    acknowledged_at: datetime | None
    assignee: Person | None
    snoozed_until: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None


class StepItem(BaseModel):
    """`title`, `team` as in the requirements document 4.2. `response`: whether the target is or was met. `may`: whether
    the caller may record the step. `waits_for`: the step that has to be recorded first."""

    step: int
    title: str
    team: str
    due_at: datetime | None
    done_at: datetime | None
    done_by: str | None
    note: str | None
    response: State | None
    may: bool
    waits_for: str | None


class MemberItem(BaseModel):
    alert_id: int
    terminal_id: int
    serial_number: str
    customer_name: str
    store_name: str
    message: str
    created_at: datetime
    is_resolved: bool
    resolved_at: datetime | None


class EventItem(BaseModel):
    id: int
    at: datetime
    kind: str
    by: str
    text: str | None
    detail: dict[str, Any] | None


class IncidentDetail(IncidentItem):
    """`listed`: the members, newest first, at most 200."""

    resolution: str | None
    steps: list[StepItem]
    listed: list[MemberItem]
    events: list[EventItem]


class Counts(BaseModel):
    """Counts for the menu and the first line of the page."""

    as_of: datetime
    open: int
    alerts: int
    unacknowledged: int
    overdue: int
    snoozed: int
    oldest_opened_at: datetime | None


class Assignment(Edit):
    """A null `user_id` unassigns the incident."""

    user_id: RecordId | None


class Snooze(Edit):
    """A null `until` ends the snooze."""

    until: Instant | None


class Resolution(Edit):
    resolution: Annotated[LongText, Field(max_length=500)]


class NewNote(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: LongText


class StepDone(BaseModel):
    model_config = ConfigDict(extra="forbid")

    note: ShortText = ""
