"""What goes in and out of the queue's doors over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.core.targets import State as Target
from service.core.texts import NO_NUL, Edition, Key, NotBlank
from service.reservations.desk.schemas import ReservationDetail
from service.reservations.events.rules import State, Task
from service.reservations.operations.rules import Priority
from service.reservations.roster.schemas import Person, ShiftItem

Words = Annotated[str, Field(min_length=1, max_length=1000, pattern=NO_NUL), NotBlank]


class OperationFilters(BaseModel):
    """`owner`: a user's id, `me`, or `none`. `q` is part of a 予約ID, a customer's name or telephone number. `late`:
    only those whose target has passed."""

    state: Annotated[str, Field(pattern="^(open|resolved|all)$")] = "open"
    priority: Priority | None = None
    kind: Task | None = None
    owner: Annotated[str, Field(pattern="^(me|none|[1-9][0-9]{0,17})$")] | None = None
    late: bool | None = None
    q: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    sort: Annotated[str, Field(max_length=50)] = "due_at"


class OperationItem(BaseModel):
    """`response`: how its target stands or was met; `left_seconds` are those of its calendar until then, negative when
    late. What belongs to no reservation has none of a reservation's fields."""

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


class EventItem(BaseModel):
    id: int
    at: datetime
    kind: str
    by: str
    text: str | None


class OperationDetail(OperationItem):
    """`steps` are the document's procedure; `may_resolve`: false while the reservation stands still until one of its
    actions decides the matter."""

    minutes: str | None
    steps: list[str]
    may_resolve: bool
    events: list[EventItem]
    reservation: ReservationDetail | None


class Counts(BaseModel):
    """For the menu and the first line of the page: open, of these nobody's, near their target, overdue; and who is on
    call now."""

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


class Edit(BaseModel):
    """`version` is the one that was read; another one by now is a conflict."""

    model_config = ConfigDict(extra="forbid")

    version: Edition


class HandOver(Edit):
    user_id: Key


class Resolution(Edit):
    outcome: Words


class NewNote(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Words
