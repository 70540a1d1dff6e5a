"""What goes in and out of the desk's doors over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.core.texts import NO_NUL, ONE_LINE, Day, Edition, Instant, Key, Mail, MaybeMail, Name, NotBlank
from service.reservations.events.rules import Answer, State, Task
from service.reservations.operations.rules import Priority

Words = Annotated[str, Field(min_length=1, max_length=1000, pattern=NO_NUL), NotBlank]
Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL), NotBlank]
Said = Annotated[str, Field(max_length=500, pattern=NO_NUL)]
Code = Annotated[str, Field(min_length=1, max_length=30, pattern=r"^[a-z0-9-]+$")]
Price = Annotated[int, Field(ge=50, le=9_999_999)]


class ReservationFilters(BaseModel):
    """`q` is part of a 予約ID, a customer's name or telephone number, however that is written. `since` and `until` are
    days of the reservation itself in Tokyo, both included."""

    q: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    state: State | None = None
    service_id: Key | None = None
    shop_id: Key | None = None
    needs_people: bool | None = None
    since: Day | None = None
    until: Day | None = None
    sort: Annotated[str, Field(max_length=50)] = "-created_at"


class ReservationItem(BaseModel):
    """`shop_name`: which shop has it, or a shop in no list as an operator put it. `waits_until`: no shop is called
    before."""

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
    to come, of these `today`; `refunding`; `needs_people`: with something open in 手動対応; `asked_today`."""

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
    """`reading` is what was read from the call and by what; `answer` is what counts, a person's word above all.
    `may_overrule`: its answer can be corrected."""

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
    """`led_to`: what was done about it; `ignored`: why it changed nothing. `event` is all that was known of it."""

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
    """A page to pay on, or money given back."""

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
    """`progress`: how it stands and what comes next, as the customer is told, and `progress_by` until when.
    `next_action_at`: when the time itself moves it on. `actions` are those that are possible now. `asked`: the shop
    whose word people wait for. `cancel_until`: until when the customer may cancel what is paid. The timeline comes
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
    """The reservation as it was after one event of its timeline, decided anew. `agrees`: that is what was decided then.
    `round` and `calls`: the round of calls it was in, and how many there had been."""

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
    """`client_request_id` is the asker's own: a repeat is answered with the first one. `hours_confirmed`: the customer
    means that time, though no shop answers its telephone at it; without it such a time is refused (`starts_at`)."""

    model_config = ConfigDict(extra="forbid")

    client_request_id: Annotated[str, Field(min_length=1, max_length=100, pattern=ONE_LINE), NotBlank]
    service: Code
    plan: Code
    starts_at: Instant
    customer_name: Name
    phone: Annotated[str, Field(min_length=1, max_length=30, pattern=ONE_LINE)]
    mail: MaybeMail = ""
    wishes: Annotated[str, Field(max_length=500, pattern=NO_NUL)] = ""
    hours_confirmed: bool = False


class Edit(BaseModel):
    """`version` is the reservation's that was read; another one by now is a conflict."""

    model_config = ConfigDict(extra="forbid")

    version: Edition


class ShopAgreed(Edit):
    """A shop of ours, or one that is in no list, by name and number in `unlisted`."""

    shop_id: Key | None = None
    unlisted: Annotated[str, Field(max_length=300, pattern=ONE_LINE)] = ""
    note: Said = ""


class Noted(Edit):
    note: Said = ""


class Change(Edit):
    """What the shop asked for and the customer agreed with; `plan` and `price` as before where nothing is said."""

    consented: bool
    starts_at: Instant
    plan: Code | None = None
    price: Price | None = None
    note: Said = ""


class Rearrangement(Edit):
    starts_at: Instant
    plan: Code | None = None
    note: Said = ""


class LinkByMail(Edit):
    """`mail` when it is another one than the reservation has, or it has none."""

    mail: Mail | None = None
    note: Said = ""


class Cancellation(Edit):
    """`shop_agreed`: after the time limit, that the shop lets the customer off (2.2.6)."""

    reason: Reason
    shop_agreed: bool = False


class RefundedOtherwise(Edit):
    """`how`: in Stripe's dashboard, by bank transfer, and when."""

    how: Reason


class Correction(Edit):
    answer: Literal["ok", "refused", "vague", "change_requested", "voicemail", "no_answer"]
    note: Said = ""


class CustomerCorrection(Edit):
    """The customer as it should be; `mail` may be empty."""

    customer_name: Name
    phone: Annotated[str, Field(min_length=1, max_length=30, pattern=ONE_LINE)]
    mail: MaybeMail = ""
    reason: Reason


class Contact(BaseModel):
    """What was talked about, and with whom."""

    model_config = ConfigDict(extra="forbid")

    party: Literal["customer", "shop"]
    text: Words
