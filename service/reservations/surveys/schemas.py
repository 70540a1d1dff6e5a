"""Request and response models of the survey routes, and the satisfaction of a period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.core.edits import Edit
from service.reservations.surveys.rules import Status, parse_quarter

QuarterText = Annotated[str, Field(max_length=7), AfterValidator(lambda text: str(parse_quarter(text)))]


@dataclass(frozen=True)
class Satisfaction:
    """Answers of a period. `mean`: 1 to 5, None without answers. `distribution`: stars → count, all five."""

    count: int
    mean: float | None
    distribution: Mapping[int, int]


class SurveyItem(BaseModel):
    """`title`: 2026年7〜9月. `answered`: of `invited` customers. `mean`: null without answers. `distribution`: counts
    of 1 to 5 stars."""

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
    """Current numbers of recipients: by mail, and by SMS for customers with only a mobile number. `without`: customers
    of the quarter with neither."""

    mail: int
    sms: int
    without: int


class SurveyDetail(SurveyItem):
    """`recipients`: null after it was sent. `reminder_at`: when the reminder is sent."""

    recipients: Recipients | None
    reminder_at: datetime | None


class Overview(BaseModel):
    """`next_quarter`: for which a survey can be created now; null when it exists already."""

    as_of: datetime
    goal: float
    open: SurveyItem | None
    last: SurveyItem | None
    next_quarter: str | None
    next_title: str | None


class SurveyFilters(BaseModel):
    sort: Annotated[str, Field(max_length=50)] = "-quarter"


class AnswerFilters(BaseModel):
    """`quarter`: 2026-Q3. `commented`: only answers with a comment."""

    quarter: QuarterText | None = None
    stars: Annotated[int, Field(ge=1, le=5)] | None = None
    commented: bool | None = None
    sort: Annotated[str, Field(max_length=50)] = "-answered_at"


class AnswerItem(BaseModel):
    """An anonymous answer."""

    id: int
    quarter: str
    title: str
    stars: int
    comment: str
    answered_at: datetime


class NewSurvey(BaseModel):
    model_config = ConfigDict(extra="forbid")

    quarter: QuarterText


class Sending(Edit):
    """`recipients`: the number that the sender confirmed; when the current number differs, nothing is sent."""

    recipients: Annotated[int, Field(ge=1, lt=2**31)]


class MeasureItem(BaseModel):
    """As `enquiries.schemas.Measure`. `share`: 0 to 1."""

    model_config = ConfigDict(from_attributes=True)

    due: int
    met: int
    share: float | None
    median_minutes: int | None


class QualityPeriod(BaseModel):
    """A week (from Monday) or a quarter. `title`: its label. `satisfaction`: of its survey."""

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
    """サポート品質 (7.3.1), the oldest period first. `categories`: name and count in the last period, the most frequent
    first."""

    as_of: datetime
    goal: float
    periods: list[QualityPeriod]
    categories: list[tuple[str, int]]
