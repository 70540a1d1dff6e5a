"""What goes in and out of the incidents' doors over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.core.targets import State
from service.core.texts import NO_NUL, Instant, NotBlank
from service.fleet.impact.rules import Impact
from service.fleet.incidents.rules import Scope
from service.fleet.rules import AlertType

Version = Annotated[int, Field(ge=1, lt=2**31)]
Words = Annotated[str, Field(min_length=1, max_length=2000, pattern=NO_NUL), NotBlank]
Short = Annotated[str, Field(max_length=500, pattern=NO_NUL)]


class IncidentFilters(BaseModel):
    """What the list of incidents can be cut by. `assignee`: a user's id, `me`, or `none`."""

    state: Annotated[str, Field(pattern="^(open|resolved|all)$")] = "open"
    alert_type: AlertType | None = None
    customer_id: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    terminal_id: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    assignee: Annotated[str, Field(pattern="^(me|none|[1-9][0-9]{0,17})$")] | None = None
    q: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    sort: Annotated[str, Field(max_length=50)] = "due_at"


class Person(BaseModel):
    id: int
    name: str


class IncidentItem(BaseModel):
    """`step` is the next one to be done, `due_at` until when, `response` how that stands (all null when every step is
    done or the incident is resolved). `members_open` of `members` terminals are still in trouble; `store_terminals` is
    how many the affected stores have in all. `impact` is how much it hurts the business, null when it is resolved."""

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
    """`title`, `team` as in the document's 4.2; `response`: how the target stands or was met. `may` says whether the
    person who asks may record it, `waits_for` which step has to be done before anybody can."""

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
    """`listed` members come newest first, at most 200 of them."""

    resolution: str | None
    steps: list[StepItem]
    listed: list[MemberItem]
    events: list[EventItem]


class Counts(BaseModel):
    """For the menu and the first line of the page: open, of how many alerts, of these not acknowledged, overdue, and
    the oldest."""

    as_of: datetime
    open: int
    alerts: int
    unacknowledged: int
    overdue: int
    snoozed: int
    oldest_opened_at: datetime | None


class Edit(BaseModel):
    """`version` is the one that was read; another one by now is a conflict."""

    model_config = ConfigDict(extra="forbid")

    version: Version


class Assignment(Edit):
    """To nobody when `user_id` is null."""

    user_id: Annotated[int, Field(ge=1, lt=2**63)] | None


class Snooze(Edit):
    """Null ends it."""

    until: Instant | None


class Resolution(Edit):
    resolution: Annotated[Words, Field(max_length=500)]


class NewNote(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Words


class StepDone(BaseModel):
    model_config = ConfigDict(extra="forbid")

    note: Short = ""
