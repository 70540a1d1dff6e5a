"""Requests and responses of the queue's routes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.edits import Edit
from service.core.values.targets import State as Target
from service.core.values.texts import ASSIGNEE, NO_NUL, NotBlank, RecordId
from service.reservations.desk.schemas import ReservationDetail
from service.reservations.history import HistoryEvent
from service.reservations.operations.rules import Priority
from service.reservations.roster.schemas import Person, ShiftItem
from service.reservations.state_machine.states import State, Task

Text = Annotated[str, Field(min_length=1, max_length=1000, pattern=NO_NUL), NotBlank]


class OperationFilters(BaseModel):
    """`owner`: a user's id, `me`, or `none`. `q` is part of a 予約ID, a customer's name or telephone number. `late`:
    only those whose target has passed."""

    state: Annotated[str, Field(pattern="^(open|resolved|all)$")] = "open"
    priority: Priority | None = None
    kind: Task | None = None
    owner: Annotated[str, Field(pattern=ASSIGNEE)] | None = None
    late: bool | None = None
    q: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    sort: Annotated[str, Field(max_length=50)] = "due_at"


class OperationItem(BaseModel):
    """`response`: the state of its target; `left_seconds`: seconds of its calendar until the target, negative when
    overdue. Without a reservation, the reservation's fields are null."""

    id: int
    version: int
    kind: Task
    title: str
    priority: Priority
    detail: str
    opened_at: datetime
    due_at: datetime
    response: Target
    left_seconds: int
    owner: Person | None
    claimed_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    outcome: str | None
    code: str | None
    state: State | None
    state_title: str | None
    customer_name: str | None
    phone_shown: str | None
    service_name: str | None
    starts_at: datetime | None


class OperationDetail(OperationItem):
    """`steps`: the document's procedure; `may_resolve`: false while the reservation waits for one of its own
    actions."""

    minutes: str | None
    steps: list[str]
    may_resolve: bool
    events: list[HistoryEvent]
    reservation: ReservationDetail | None


class Counts(BaseModel):
    """For the menu and the first line of the page: open tasks, of these without an owner, near their target, overdue;
    and the person on call now."""

    as_of: datetime
    open: int
    unclaimed: int
    mine: int
    urgent: int
    near: int
    overdue: int
    next_due_at: datetime | None
    resolved_today: int
    on_call: ShiftItem | None


class HandOver(Edit):
    user_id: RecordId


class Resolution(Edit):
    outcome: Text


class NewNote(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Text
