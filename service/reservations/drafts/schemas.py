"""What goes in and out of the reports' doors over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.core.texts import NO_NUL, Edition, Mail, NotBlank
from service.reservations.drafts.rules import Contents, Kind

Text = Annotated[str, Field(max_length=4000, pattern=NO_NUL)]
MOST_RECIPIENTS = 20


class ReportFilters(BaseModel):
    kind: Kind | None = None
    state: Literal["draft", "finished"] | None = None
    sort: Annotated[str, Field(max_length=50)] = "-last_day"


class ReportItem(BaseModel):
    """`period` is what it is about, in words; both days are included. `sent_…`: the last time."""

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


class EventItem(BaseModel):
    id: int
    at: datetime
    kind: str
    by: str
    text: str | None


class OperationWords(BaseModel):
    """What a 手動対応 is called, and how long one takes by the document's estimate."""

    title: str
    estimate: str | None


class ReportDetail(ReportItem):
    """`open_chore`: the id of the turn of 週次レポート作成 (月次…) that can be checked off with it. `operations` has
    the words for the kinds in `contents`. `unshared`: codes of Medium incidents in it that were not yet told of in a
    weekly report."""

    findings: str
    issues: str
    next_steps: str
    contents: Contents
    operations: dict[str, OperationWords]
    events: list[EventItem]
    open_chore: int | None
    unshared: list[str]


class Counts(BaseModel):
    """For the menu and the first line of the page. `drafts` wait for somebody who finishes them: 0 for who only reads.
    `next_…`: when the next ones are drafted; null when nobody wants them."""

    as_of: datetime
    drafts: int
    finished: int
    last_kind: Kind | None
    last_period: str | None
    last_finished_at: datetime | None
    next_weekly_at: datetime | None
    next_monthly_at: datetime | None


class ReportChange(BaseModel):
    """What is left out, or null, stays as it is. `version` is the one that was read."""

    model_config = ConfigDict(extra="forbid")

    version: Edition
    findings: Text | None = None
    issues: Text | None = None
    next_steps: Text | None = None


class NewDraft(BaseModel):
    """Of the last period that is over, if there is none of it yet."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind


class Read(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Edition


class Finish(Read):
    """`check_off`: the chore is done, too; `share`: 週次報告で共有 of its Medium incidents is."""

    check_off: bool = False
    share: bool = False


class Reopen(Read):
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL), NotBlank]


class Sending(Read):
    to: Annotated[list[Mail], Field(min_length=1, max_length=MOST_RECIPIENTS)]


class Manager(BaseModel):
    name: str
    mail: str


class Made(BaseModel):
    id: int


class Sent(BaseModel):
    recipients: int
