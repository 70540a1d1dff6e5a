"""What goes in and out of the surveys' doors, and what answers amount to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.core.texts import NO_NUL, Edition
from service.reservations.surveys.rules import LONGEST_COMMENT, Status, parse_quarter

QuarterText = Annotated[str, Field(max_length=7), AfterValidator(lambda text: str(parse_quarter(text)))]
Comment = Annotated[str, Field(max_length=LONGEST_COMMENT, pattern=NO_NUL)]


@dataclass(frozen=True)
class Satisfaction:
    """Answers of a stretch of time. `mean`: 1 to 5, None of none. `distribution`: stars → how many, all five."""

    count: int
    mean: float | None
    distribution: Mapping[int, int]


class SurveyItem(BaseModel):
    """`title`: 2026年7〜9月. `answered` of `invited`; `mean` is null of none; `distribution`: how many of 1 to 5
    stars."""

    id: int
    version: int
    quarter: str
    title: str
    status: Status
    created_at: datetime
    created_by: str
    sent_at: datetime | None
    sent_by: str | None
    closes_at: datetime | None
    reminded_at: datetime | None
    reminded: int
    closed_at: datetime | None
    invited: int
    answered: int
    mean: float | None
    distribution: list[int]


class Recipients(BaseModel):
    """To whom it would go now: by mail, and by SMS to those of whom only a mobile number is known. `without`: customers
    of the quarter who can be written to neither way."""

    mail: int
    sms: int
    without: int


class SurveyDetail(SurveyItem):
    """`recipients`: before it was sent. `reminder_at`: when those who have not answered are asked once more."""

    recipients: Recipients | None
    reminder_at: datetime | None


class Overview(BaseModel):
    """`next_quarter`: of which a survey can be made now; null when there is one already."""

    as_of: datetime
    goal: float
    open: SurveyItem | None
    last: SurveyItem | None
    next_quarter: str | None
    next_title: str | None


class SurveyFilters(BaseModel):
    sort: Annotated[str, Field(max_length=50)] = "-quarter"


class AnswerFilters(BaseModel):
    """`quarter`: 2026-Q3. `commented`: only those with a comment."""

    quarter: QuarterText | None = None
    stars: Annotated[int, Field(ge=1, le=5)] | None = None
    commented: bool | None = None
    sort: Annotated[str, Field(max_length=50)] = "-answered_at"


class AnswerItem(BaseModel):
    """Whose it is, is not told."""

    id: int
    quarter: str
    title: str
    stars: int
    comment: str
    answered_at: datetime


class NewSurvey(BaseModel):
    model_config = ConfigDict(extra="forbid")

    quarter: QuarterText


class Edit(BaseModel):
    """`version` is the one that was read; another one by now is a conflict."""

    model_config = ConfigDict(extra="forbid")

    version: Edition


class Sending(Edit):
    """`recipients`: how many the sender has confirmed; when it has become another number, nothing is sent."""

    recipients: Annotated[int, Field(ge=1, lt=2**31)]


class Made(BaseModel):
    id: int


class MeasureItem(BaseModel):
    """As `enquiries.schemas.Measure`; `share` is 0 to 1."""

    due: int
    met: int
    share: float | None
    median_minutes: int | None


class QualityPeriod(BaseModel):
    """A week (from Monday) or a quarter. `title` is how it is called; `satisfaction` is that of its survey."""

    title: str
    since: datetime
    until: datetime
    count: int
    mail: int
    phone: int
    unresolved: int
    first_mail: MeasureItem
    first_phone: MeasureItem
    resolution: MeasureItem
    satisfaction: float | None
    answers: int


class Quality(BaseModel):
    """サポート品質 (7.3.1), the oldest period first. `categories`: what was asked most in the last period, name and
    number."""

    as_of: datetime
    goal: float
    periods: list[QualityPeriod]
    categories: list[tuple[str, int]]
