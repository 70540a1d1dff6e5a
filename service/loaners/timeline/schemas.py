"""What a device's page shows."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel

from service.core.messages import State
from service.loaners.history.rules import EventKind, Source
from service.loaners.notifications.rules import Notice
from service.loaners.rules import Deposit, Kind
from service.loaners.statuses.schemas import Change


class Fact(BaseModel):
    """A label, and what stands there."""

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
    """The record as it is now (`as_of`), and what held of it at `moment`: nothing (`site_name` None) before it was
    registered.
    `deposit_refusal`: why there can be no 預り機のステータス just now. `is_now`: no other moment was asked for."""

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
    """`answers` under the words of the form's own version. `changes`: what it changed of what was known before it.
    `may_be_marked`: 除去 is for this one. `put_away`: older than three years, and kept elsewhere."""

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
    """The newest first."""

    items: list[EventShown]
    total: int


class MailShown(BaseModel):
    """`event_id`: the form whose change it told of, or what began the loan that it was a reminder of."""

    id: int
    kind: Notice
    event_id: int
    recipient: str
    title: str
    state: State
    told_at: datetime
    sent_at: datetime | None
    error: str | None


class Mails(BaseModel):
    """The newest first."""

    items: list[MailShown]
    total: int
