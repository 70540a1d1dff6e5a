"""Requests and responses of the desk's routes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.core.edits import Edit
from service.core.values.periods import not_before
from service.core.values.texts import (
    LOWER_CODE,
    NO_NUL,
    ONE_LINE,
    Day,
    Instant,
    Mail,
    MailOrEmpty,
    Name,
    NotBlank,
    RecordId,
)
from service.reservations.operations.rules import Priority
from service.reservations.state_machine.states import Answer, State, Task

Text = Annotated[str, Field(min_length=1, max_length=1000, pattern=NO_NUL), NotBlank]
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL), NotBlank]
NoteText = Annotated[str, Field(max_length=500, pattern=NO_NUL)]
Code = Annotated[str, Field(min_length=1, max_length=30, pattern=LOWER_CODE)]
Price = Annotated[int, Field(ge=50, le=9_999_999)]


class ReservationFilters(BaseModel):
    """`q` is part of a 予約ID, a customer's name or telephone number, however that is written. `since` and `until` are
    days of the reservation itself in Tokyo, both included."""

    q: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    state: State | None = None
    service_id: RecordId | None = None
    shop_id: RecordId | None = None
    needs_people: bool | None = None
    since: Day | None = None
    until: Annotated[Day | None, not_before("since")] = None
    sort: Annotated[str, Field(max_length=50)] = "-created_at"


class ReservationItem(BaseModel):
    """`shop_name`: the shop that holds it, or an unlisted shop as an operator described it. `waits_until`: no shop is
    called before."""

    id: int
    code: str
    version: int
    state: State
    state_title: str
    state_since: datetime
    waits_until: datetime | None
    service_name: str
    plan_name: str
    customer_name: str
    phone_shown: str
    starts_at: datetime
    price: int
    paid: int
    refunded: int
    shop_name: str | None
    open_operations: int
    created_at: datetime


class Counts(BaseModel):
    """Reservations for the first line of the list: `seeking` a shop, `paying` (a shop holds it), `confirmed` and still
    to come, of these `today`; `refunding`; `needs_people`: with open 手動対応; `asked_today`."""

    as_of: datetime
    total: int
    seeking: int
    paying: int
    confirmed: int
    today: int
    refunding: int
    needs_people: int
    asked_today: int


class Line(BaseModel):
    is_shop: bool
    text: str


class CallItem(BaseModel):
    """`read_answer` was read from the call; `answer` is the valid answer, after a correction by an operator.
    `may_overrule`: the answer can be corrected."""

    number: int
    round: int
    shop_id: int
    shop_name: str
    phone_shown: str
    is_active: bool
    planned_at: datetime
    placed_at: datetime | None
    ended_at: datetime | None
    answer: Answer | None
    answer_title: str | None
    read_answer: Answer | None
    why: str
    quote: str
    staff: str
    change: str
    summary: str
    seconds: int | None
    transcript: list[Line]
    overruled_at: datetime | None
    overruled_by: str | None
    may_overrule: bool


class EventItem(BaseModel):
    """`led_to`: the effects as text; `ignored`: why it changed nothing. `event`: the stored event."""

    number: int
    at: datetime
    kind: str
    title: str
    state_before: State | None
    state: State
    state_title: str
    ignored: str | None
    source: str
    source_title: str
    by: str
    note: str
    led_to: list[str]
    event: dict[str, Any]


class MessageItem(BaseModel):
    id: int
    channel: Literal["sms", "mail"]
    recipient: Literal["customer", "shop"]
    purpose: str
    purpose_title: str
    address: str
    title: str
    body: str
    status: str
    tries: int
    error: str
    created_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None


class MoneyItem(BaseModel):
    """A payment page or a refund."""

    kind: Literal["payment", "refund"]
    number: int
    amount: int
    status: str
    error: str
    at: datetime
    settled_at: datetime | None


class TaskItem(BaseModel):
    id: int
    kind: Task
    title: str
    priority: Priority
    detail: str
    opened_at: datetime
    due_at: datetime
    resolved_at: datetime | None
    outcome: str | None


class ReservationDetail(ReservationItem):
    """`progress`: the current state and what comes next, in the customer's text; `progress_by`: by when.
    `next_action_at`: when the next event is due by time. `actions`: the actions possible now. `asked`: the shop whose
    answer operators wait for. `cancel_until`: until when the customer may cancel a paid reservation. The timeline is
    newest first."""

    as_of: datetime
    progress: str
    progress_by: datetime | None
    next_action_at: datetime | None
    service_id: int
    service_code: str
    plan_code: str
    phone: str
    mail: str
    wishes: str
    assistant_name: str | None
    created_by: str | None
    shop_id: int | None
    asked_id: int | None
    asked_name: str | None
    sms_fails: bool
    pay_until: datetime | None
    cancel_until: datetime
    closed_at: datetime | None
    actions: list[str]
    calls: list[CallItem]
    timeline: list[EventItem]
    messages: list[MessageItem]
    money: list[MoneyItem]
    operations: list[TaskItem]


class StepItem(BaseModel):
    """The reservation after one event of its timeline, replayed. `agrees`: the replay gives the stored result. `round`
    and `calls`: the round of calls, and the number of calls so far."""

    number: int
    at: datetime
    title: str
    by: str
    source_title: str
    ignored: str | None
    led_to: list[str]
    state_before: State | None
    state: State
    state_title: str
    waits_until: datetime | None
    agrees: bool
    progress: str
    round: int
    calls: int
    shop_name: str | None
    asked_name: str | None
    starts_at: datetime
    price: int
    paid: int
    refunded: int
    pay_until: datetime | None
    next_action_at: datetime | None


class Replay(BaseModel):
    """Oldest first."""

    as_of: datetime
    items: list[StepItem]


class NewReservation(BaseModel):
    """`client_request_id`: the client's idempotency key; a repeat is answered with the first reservation.
    `hours_confirmed`: the customer confirmed a time at which no shop answers its telephone; without it such a time is
    refused (`starts_at`)."""

    model_config = ConfigDict(extra="forbid")

    client_request_id: Annotated[str, Field(min_length=1, max_length=100, pattern=ONE_LINE), NotBlank]
    service: Code
    plan: Code
    starts_at: Instant
    customer_name: Name
    phone: Annotated[str, Field(min_length=1, max_length=30, pattern=ONE_LINE)]
    mail: MailOrEmpty = ""
    wishes: Annotated[str, Field(max_length=500, pattern=NO_NUL)] = ""
    hours_confirmed: bool = False


class ShopAgreed(Edit):
    """A partner shop, or an unlisted one with name and number in `unlisted`."""

    shop_id: RecordId | None = None
    unlisted: Annotated[str, Field(max_length=300, pattern=ONE_LINE)] = ""
    note: NoteText = ""


class Noted(Edit):
    note: NoteText = ""


class Change(Edit):
    """The change that the shop asked for and the customer agreed to; `plan` and `price` are unchanged if absent."""

    consented: bool
    starts_at: Instant
    plan: Code | None = None
    price: Price | None = None
    note: NoteText = ""


class Rearrangement(Edit):
    starts_at: Instant
    plan: Code | None = None
    note: NoteText = ""


class LinkByMail(Edit):
    """`mail`: a new address, if it differs from the reservation's or there is none."""

    mail: Mail | None = None
    note: NoteText = ""


class Cancellation(Edit):
    """`shop_agreed`: after the time limit, the shop agrees to the cancellation (2.2.6)."""

    reason: Reason
    shop_agreed: bool = False


class RefundedOtherwise(Edit):
    """`how`: the way and the time, such as Stripe's dashboard or a bank transfer."""

    how: Reason


class Correction(Edit):
    answer: Literal["ok", "refused", "vague", "change_requested", "voicemail", "no_answer"]
    note: NoteText = ""


class CustomerCorrection(Edit):
    """The corrected data of the customer; `mail` may be empty."""

    customer_name: Name
    phone: Annotated[str, Field(min_length=1, max_length=30, pattern=ONE_LINE)]
    mail: MailOrEmpty = ""
    reason: Reason


class Contact(BaseModel):
    """A conversation: with whom and about what."""

    model_config = ConfigDict(extra="forbid")

    party: Literal["customer", "shop"]
    text: Text
