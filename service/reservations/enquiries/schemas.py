"""What goes in and out of the enquiries' doors, and what they amount to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from service.core import phones
from service.core.targets import State as Target
from service.core.texts import NO_NUL, ONE_LINE, Day, Edition, Instant, Key, Mail, MaybeMail, NotBlank, plain
from service.reservations.enquiries.rules import Category, Channel, Faq, Party, Status, Way
from service.reservations.incidents.rules import Level
from service.reservations.roster.schemas import Person

NEEDS_CONTACT = "メールアドレスか電話番号のどちらかを入力してください。"


def _telephone(typed: str) -> str:
    return phones.e164(typed) if typed.strip() else ""


Topic = Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE), NotBlank]
Body = Annotated[str, Field(min_length=1, max_length=4000, pattern=NO_NUL), NotBlank]
Words = Annotated[str, Field(min_length=1, max_length=2000, pattern=NO_NUL), NotBlank]
SenderName = Annotated[str, Field(min_length=1, max_length=100, pattern=ONE_LINE), NotBlank]
# Empty: none is known.
Address = MaybeMail
Telephone = Annotated[str, Field(max_length=30, pattern=ONE_LINE), AfterValidator(_telephone)]
# 予約ID and 提携店ID, however they are typed.
Given = Annotated[str, Field(max_length=30, pattern=ONE_LINE), AfterValidator(plain)]


@dataclass(frozen=True)
class Measure:
    """Of `due` ones `met` were in time; `due` are those that were done, or should have been by now. `median_minutes`:
    working minutes that those that were done took; None when none was."""

    due: int
    met: int
    median_minutes: int | None

    @property
    def share(self) -> float | None:
        """0 to 1; None of nothing."""
        return self.met / self.due if self.due else None


@dataclass(frozen=True)
class Kpis:
    """Enquiries received in a stretch of time [since, until), on the product's clock, as they stand now (7.3.1).

    `by_channel`: Email and 電話 → how many. `first_mail` and `first_phone`: 初回応答時間; `resolution`: 解決時間, of
    Medium and Low. `unresolved`: how many of them are. `categories`: name and number, the most frequent first.
    `for_faq`: number (ENQ-0001) and subject of those marked as FAQに追加すべき.
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
    """`state`: what is not resolved, one of the states, or all. `owner`: a user's id, `me`, or `none`. `late`: those
    with a target that was missed. `since` and `until` are days of receipt, both included. `q` is part of the number,
    the subject, the text, the name, a telephone number, a mail address or a 予約ID."""

    state: Annotated[str, Field(pattern="^(open|received|working|waiting|resolved|all)$")] = "open"
    party: Party | None = None
    channel: Channel | None = None
    category: Category | None = None
    level: Level | None = None
    faq: Faq | None = None
    owner: Annotated[str, Field(pattern="^(me|none|[1-9][0-9]{0,17})$")] | None = None
    unanswered: bool | None = None
    late: bool | None = None
    since: Day | None = None
    until: Day | None = None
    q: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    sort: Annotated[str, Field(max_length=50)] = "due_at"


class EnquiryItem(BaseModel):
    """`due_at`, `due_title` and `response` are of the target that is next: 初回応答, then 解決; `left_seconds` those of
    its calendar, negative when late. Null when none is left; `response` then says whether any was missed."""

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


class EventItem(BaseModel):
    """`sending`: of a mail, whether it waits, was sent or could not be sent; null of everything else, and after the
    months for which messages are kept."""

    id: int
    at: datetime
    kind: str
    by: str
    text: str | None
    sending: Literal["waiting", "sent", "failed"] | None


class OperationLink(BaseModel):
    """A 手動対応 of the same reservation."""

    id: int
    title: str
    resolved_at: datetime | None
    resolved_by: str | None
    outcome: str | None


class Standing(BaseModel):
    """A target of its own, done or not."""

    due_at: datetime
    done_at: datetime | None
    done_by: str | None
    response: Target
    left_seconds: int
    minutes: int | None


class EnquiryDetail(EnquiryItem):
    """`is_known_contact`: whether the telephone number or the mail address is that of the reservation (of the shop);
    null where there is none. `operations`: those of the reservation that are open, to which it can be handed.
    `answer_subject` and `answer_body`: what an answer begins with."""

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
    """For the menu and the first line of the page. `overdue`: with a target that has passed; `near`: in its last
    quarter; `unanswered`: without a first response."""

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
    """As somebody took it down. Without `received_at` it came now. `was_answered` is for calls: false when nobody took
    the call, which has to be returned. With `way` it was settled at once, by what `outcome` says."""

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
    reservation: Given = ""
    shop: Given = ""
    received_at: Instant | None = None
    was_answered: bool = True
    way: Way | None = None
    outcome: Annotated[str, Field(max_length=2000, pattern=NO_NUL)] = ""
    faq: Faq = Faq.NONE

    @model_validator(mode="after")
    def _can_be_answered(self) -> Self:
        if not self.phone and not self.mail:
            raise ValueError(NEEDS_CONTACT)
        return self


class FormEnquiry(BaseModel):
    """As the public form gives it."""

    party: Party
    sender_name: SenderName
    mail: Mail
    phone: Telephone = ""
    topic: Topic
    content: Body
    category: Category
    reservation: Given = ""
    shop: Given = ""


class Edit(BaseModel):
    """`version` is the one that was read; another one by now is a conflict."""

    model_config = ConfigDict(extra="forbid")

    version: Edition


class EnquiryChange(Edit):
    """What is left out, or null, stays as it is. Another level has other targets."""

    sender_name: SenderName | None = None
    phone: Telephone | None = None
    mail: Address | None = None
    topic: Topic | None = None
    category: Category | None = None
    level: Level | None = None
    reservation: Given | None = None
    shop: Given | None = None
    faq: Faq | None = None


class HandOver(Edit):
    user_id: Key


class Answer(Edit):
    """A mail to whoever asked. `waits`: something is asked back."""

    subject: Topic
    text: Annotated[str, Field(min_length=1, max_length=6000, pattern=NO_NUL), NotBlank]
    waits: bool = False


class Call(Edit):
    """A call to whoever asked, or from them; `reached`: they were spoken with."""

    text: Words
    reached: bool = True
    waits: bool = False


class Note(BaseModel):
    """`is_reply`: what whoever asked has answered."""

    model_config = ConfigDict(extra="forbid")

    text: Words
    is_reply: bool = False


class ToOperations(Edit):
    """手動対応にする: to one of the reservation's open ones, or to a new one."""

    operation_id: Key | None = None


class Resolution(Edit):
    way: Way
    outcome: Words
    faq: Faq | None = None


class Reopening(Edit):
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL), NotBlank]


class Made(BaseModel):
    id: int
