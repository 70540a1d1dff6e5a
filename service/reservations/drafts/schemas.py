"""Request and response models of the report routes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.core.edits import Edit
from service.core.values.texts import NO_NUL, Mail, NotBlank
from service.reservations.drafts.rules import Contents, Kind
from service.reservations.history import HistoryEvent

Text = Annotated[str, Field(max_length=4000, pattern=NO_NUL)]
MAX_RECIPIENTS = 20


class ReportFilters(BaseModel):
    kind: Kind | None = None
    state: Literal["draft", "finished"] | None = None
    sort: Annotated[str, Field(max_length=50)] = "-last_day"


class ReportItem(BaseModel):
    """`period`: as text. Both days are included. `sent_…`: the last time it was sent."""

    id: int
    version: int
    kind: Kind
    first_day: date
    last_day: date
    period: str
    drafted_at: datetime
    finished_at: datetime | None
    finished_by: str | None
    sent_at: datetime | None
    sent_by: str | None
    requested: int
    success: float | None
    sales: int


class OperationWords(BaseModel):
    """The label of a kind of 手動対応, and the document's estimate of its duration."""

    title: str
    estimate: str | None


class ReportDetail(ReportItem):
    """`open_chore`: id of the turn of 週次レポート作成 (月次…) that can be checked off with the report. `operations`:
    labels for the kinds in `contents`. `unshared`: codes of its Medium incidents that no weekly report has shared
    yet."""

    findings: str
    issues: str
    next_steps: str
    contents: Contents
    operations: dict[str, OperationWords]
    events: list[HistoryEvent]
    open_chore: int | None
    unshared: list[str]


class Counts(BaseModel):
    """For the menu and the summary line of the page. `drafts`: unfinished reports; 0 for users who may only read.
    `next_…`: when the next reports are drafted; null when their chore has ended."""

    as_of: datetime
    drafts: int
    finished: int
    last_kind: Kind | None
    last_period: str | None
    last_finished_at: datetime | None
    next_weekly_at: datetime | None
    next_monthly_at: datetime | None


class ReportChange(Edit):
    """Missing and null fields are not changed."""

    findings: Text | None = None
    issues: Text | None = None
    next_steps: Text | None = None


class NewDraft(BaseModel):
    """Of the last complete period, if it has no report yet."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind


class Finish(Edit):
    """`check_off`: also marks the chore as done. `share`: also marks 週次報告で共有 of its Medium incidents as done."""

    check_off: bool = False
    share: bool = False


class Reopen(Edit):
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL), NotBlank]


class Sending(Edit):
    to: Annotated[list[Mail], Field(min_length=1, max_length=MAX_RECIPIENTS)]


class Manager(BaseModel):
    name: str
    mail: str


class Sent(BaseModel):
    recipients: int
