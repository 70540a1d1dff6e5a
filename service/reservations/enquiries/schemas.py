"""Request and response models of the enquiry routes, and the KPIs of enquiries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from service.core.edits import Edit, change_of
from service.core.values import phones
from service.core.values.messages import WrongField
from service.core.values.periods import not_before
from service.core.values.targets import State as Target
from service.core.values.texts import (
    ASSIGNEE,
    NO_NUL,
    ONE_LINE,
    Day,
    Instant,
    Mail,
    MailOrEmpty,
    NotBlank,
    RecordId,
    half_width,
)
from service.reservations.enquiries.rules import Category, Channel, Faq, Party, Status, Way
from service.reservations.history import HistoryEvent
from service.reservations.incidents.rules import Level
from service.reservations.roster.schemas import Person

NEEDS_CONTACT = "メールアドレスか電話番号のどちらかを入力してください。"


def _normalize_phone(value: str) -> str:
    return phones.e164(value) if value.strip() else ""


Topic = Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE), NotBlank]
Body = Annotated[str, Field(min_length=1, max_length=4000, pattern=NO_NUL), NotBlank]
Text = Annotated[str, Field(min_length=1, max_length=2000, pattern=NO_NUL), NotBlank]
SenderName = Annotated[str, Field(min_length=1, max_length=100, pattern=ONE_LINE), NotBlank]
# Empty: unknown.
Address = MailOrEmpty
Telephone = Annotated[str, Field(max_length=30, pattern=ONE_LINE), AfterValidator(_normalize_phone)]
# 予約ID and 提携店ID, normalized.
Code = Annotated[str, Field(max_length=30, pattern=ONE_LINE), AfterValidator(half_width)]


@dataclass(frozen=True)
class Measure:
    """Of `due` enquiries (done, or overdue), `met` were in time. `median_minutes`: working minutes of those that were
    done; None when none was."""

    due: int
    met: int
    median_minutes: int | None

    @property
    def share(self) -> float | None:
        """0 to 1; None when `due` is 0."""
        return self.met / self.due if self.due else None


@dataclass(frozen=True)
class Kpis:
    """Current KPIs (7.3.1) of the enquiries received in [since, until), on the product's clock.

    `by_channel`: Email and 電話 → count. `first_mail` and `first_phone`: 初回応答時間; `resolution`: 解決時間 of Medium
    and Low. `unresolved`: count. `categories`: name and count, the most frequent first. `for_faq`: number (ENQ-0001)
    and subject of enquiries marked as FAQに追加すべき.
    """

    count: int
    by_channel: Mapping[str, int]
    first_mail: Measure
    first_phone: Measure
    resolution: Measure
    unresolved: int
    categories: tuple[tuple[str, int], ...]
    for_faq: tuple[tuple[str, str], ...]


class EnquiryFilters(BaseModel):
    """`state`: open (not resolved), one of the statuses, or all. `owner`: a user's id, `me`, or `none`. `late`: with a
    missed target. `since` and `until`: days of receipt, both included. `q`: part of the number, the subject, the text,
    the name, a phone number, a mail address or a 予約ID."""

    state: Annotated[str, Field(pattern="^(open|received|working|waiting|resolved|all)$")] = "open"
    party: Party | None = None
    channel: Channel | None = None
    category: Category | None = None
    level: Level | None = None
    faq: Faq | None = None
    owner: Annotated[str, Field(pattern=ASSIGNEE)] | None = None
    unanswered: bool | None = None
    late: bool | None = None
    since: Day | None = None
    until: Annotated[Day | None, not_before("since")] = None
    q: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    sort: Annotated[str, Field(max_length=50)] = "due_at"


class EnquiryItem(BaseModel):
    """`due_at`, `due_title` and `response` are of the next target: 初回応答, then 解決; `left_seconds` are counted in
    its calendar, negative when late. Null when no target remains; `response` then says whether one was missed."""

    id: int
    version: int
    code: str
    party: Party
    channel: Channel
    is_from_form: bool
    sender_name: str
    phone_shown: str
    mail: str
    topic: str
    category: Category
    level: Level
    status: Status
    faq: Faq
    owner: Person | None
    reservation_code: str | None
    shop_name: str | None
    received_at: datetime
    first_due_at: datetime
    first_response_at: datetime | None
    resolution_due_at: datetime | None
    resolved_at: datetime | None
    due_at: datetime | None
    due_title: str | None
    response: Target | None
    left_seconds: int | None


class EventItem(HistoryEvent):
    """`sending`: state of a mail in the outbox; null for other events, and after the retention of outbox messages."""

    sending: Literal["waiting", "sent", "failed"] | None


class OperationLink(BaseModel):
    """A 手動対応 of the same reservation."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    title: str
    resolved_at: datetime | None
    resolved_by: str | None
    outcome: str | None


class Standing(BaseModel):
    """One target, done or not."""

    due_at: datetime
    done_at: datetime | None
    done_by: str | None
    response: Target
    left_seconds: int
    minutes: int | None


class EnquiryDetail(EnquiryItem):
    """`is_known_contact`: whether the phone number or the mail address is that of the reservation (of the shop); null
    without one. `operations`: open 手動対応 of the reservation, to which it can be linked. `answer_subject` and
    `answer_body`: the template of an answer."""

    phone: str
    content: str
    reservation_given: str
    shop_given: str
    shop_id: int | None
    received_by: str
    first: Standing
    resolution: Standing | None
    way: Way | None
    outcome: str
    is_known_contact: bool | None
    operation: OperationLink | None
    operations: list[OperationLink]
    events: list[EventItem]
    answer_subject: str
    answer_body: str


class Counts(BaseModel):
    """For the menu and the summary line of the page. `overdue`: past the target; `near`: in the last quarter of the
    target; `unanswered`: without a first response."""

    as_of: datetime
    open: int
    mine: int
    unclaimed: int
    unanswered: int
    waiting: int
    near: int
    overdue: int
    for_faq: int
    resolved_today: int


class NewEnquiry(BaseModel):
    """An enquiry that staff took down. Without `received_at`: received now. `was_answered` is for calls: false for a
    missed call, which has to be returned. With `way` it was resolved at once, as `outcome` describes."""

    model_config = ConfigDict(extra="forbid")

    party: Party
    channel: Channel
    sender_name: SenderName
    phone: Telephone = ""
    mail: Address = ""
    topic: Topic
    content: Body
    category: Category
    level: Level = Level.LOW
    reservation: Code = ""
    shop: Code = ""
    received_at: Instant | None = None
    was_answered: bool = True
    way: Way | None = None
    outcome: Annotated[str, Field(max_length=2000, pattern=NO_NUL)] = ""
    faq: Faq = Faq.NONE

    @model_validator(mode="after")
    def _can_be_answered(self) -> Self:
        if not self.phone and not self.mail:
            raise WrongField("mail", NEEDS_CONTACT)
        return self


class FormEnquiry(BaseModel):
    """An enquiry from the public form."""

    party: Party
    sender_name: SenderName
    mail: Mail
    phone: Telephone = ""
    topic: Topic
    content: Body
    category: Category
    reservation: Code = ""
    shop: Code = ""


@change_of(NewEnquiry, fixed=("party", "channel", "content", "received_at", "was_answered", "way", "outcome"))
class EnquiryChange(Edit):
    """Missing and null fields are not changed. A new level has a new target."""


class HandOver(Edit):
    user_id: RecordId


class Answer(Edit):
    """A mail to the sender. `waits`: it asks for a reply."""

    subject: Topic
    text: Annotated[str, Field(min_length=1, max_length=6000, pattern=NO_NUL), NotBlank]
    waits: bool = False


class Call(Edit):
    """A call to or from the sender. `reached`: they were spoken with."""

    text: Text
    reached: bool = True
    waits: bool = False


class Note(BaseModel):
    """`is_reply`: it is a reply of the sender."""

    model_config = ConfigDict(extra="forbid")

    text: Text
    is_reply: bool = False


class ToOperations(Edit):
    """手動対応にする: an open one of the reservation, or (null) a new one."""

    operation_id: RecordId | None = None


class Resolution(Edit):
    way: Way
    outcome: Text
    faq: Faq | None = None


class Reopening(Edit):
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL), NotBlank]
