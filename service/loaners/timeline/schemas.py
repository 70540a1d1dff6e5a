"""Response models of a device's page."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel

from service.core.values.states import MessageState
from service.loaners.history.rules import EventKind, Source
from service.loaners.notifications.rules import Notice
from service.loaners.rules import Deposit, Kind
from service.loaners.statuses.schemas import Change


class Fact(BaseModel):
    """A header and its value."""

    header: str
    value: str


class LoanShown(BaseModel):
    since: datetime
    borrower: str
    loan_number: str
    lent_on: date | None
    due_on: date | None
    overdue_days: int
    days: int


class DeviceShown(BaseModel):
    """The record as of now (`as_of`), and its state at `moment`; `site_name` None: not registered yet.
    `deposit_refusal`: why no 預り機のステータス is allowed. `is_now`: the request gave no other time."""

    as_of: datetime
    moment: datetime
    is_now: bool
    id: int
    version: int
    number: str
    aliases: list[str]
    kind: Kind
    kind_word: str
    category: str
    category_word: str
    model_name: str
    maker: str
    serial: str
    asset_number: str
    software: str
    os: str
    extra: list[Fact]
    label_url: str
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    registered_at: datetime
    site_id: int | None
    site_name: str | None
    jurisdiction: str | None
    is_moved: bool
    is_archived: bool
    status: int | None
    status_word: str
    held: bool | None
    deposit: Deposit | None
    deposit_word: str
    deposit_refusal: str | None
    since: datetime | None
    event_id: int | None
    form_number: int | None
    answers: list[Fact]
    loan: LoanShown | None


class MarkShown(BaseModel):
    reason: str
    marked_by: str
    marked_at: datetime


class EventShown(BaseModel):
    """`answers` by the headers of the form's version. `changes`: the differences to the state before the event.
    `may_be_marked`: 除去 is possible. `put_away`: archived (older than three years)."""

    id: int
    kind: EventKind
    kind_word: str
    effective_at: datetime
    recorded_at: datetime
    is_late: bool
    source: Source
    source_word: str
    who: str
    mail: str
    reason: str
    form_number: int | None
    status_word: str | None
    answers: list[Fact]
    changes: list[Change]
    mark: MarkShown | None
    may_be_marked: bool
    put_away: bool


class Timeline(BaseModel):
    """Newest first."""

    items: list[EventShown]
    total: int


class MailShown(BaseModel):
    """`event_id`: the form event of the change, or the event that started the loan of the reminder."""

    id: int
    kind: Notice
    event_id: int
    recipient: str
    title: str
    state: MessageState
    told_at: datetime
    sent_at: datetime | None
    error: str | None


class Mails(BaseModel):
    """Newest first."""

    items: list[MailShown]
    total: int
