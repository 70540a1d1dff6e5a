"""Request and response models of the summary and the differences."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, Field

from service.core.values.periods import not_before
from service.core.values.texts import NO_NUL, Day
from service.loaners.lists.schemas import Cut
from service.loaners.rules import Deposit, Kind, Status


class TrendFilters(BaseModel):
    jurisdiction: Annotated[str, Field(max_length=50, pattern=NO_NUL)] | None = None


class SummaryFilters(TrendFilters):
    as_of: Day | None = None


class SummaryRow(BaseModel):
    """A site's numbers by デバイスタイプ, in the order of the summary's `groups`."""

    site_id: int
    site_name: str
    counts: list[int]
    total: int


class SummaryCard(BaseModel):
    """`deposit` is the filter value for the list of these devices; `totals` are those of the 管轄."""

    deposit: str
    title: str
    description: str
    color: str
    rows: list[SummaryRow]
    totals: list[int]
    total: int


class Summary(BaseModel):
    """`unset`: lent devices with a user's machine held but no 預り機のステータス; they count in no card."""

    as_of: datetime
    shown: date | None
    jurisdiction: str | None
    groups: list[str]
    cards: list[SummaryCard]
    unset: SummaryCard


class TrendPoint(BaseModel):
    """Counts at the end of the day, by `deposit` of the cards."""

    day: date
    counts: dict[str, int]


class Trend(BaseModel):
    points: list[TrendPoint]


class DifferenceFilters(Cut):
    """From the end of one day in Tokyo to the end of another; default: the last 30 days."""

    since: Day | None = None
    until: Annotated[Day | None, not_before("since")] = None
    kind: Kind | None = None
    sort: Annotated[str, Field(max_length=50)] = "number"


class Difference(BaseModel):
    """A device's state before and after; the `before_…` values are null for a device that was registered in between."""

    id: int
    number: str
    kind: Kind
    model_name: str
    was_known: bool
    before_site: str | None
    before_status: Status | None
    before_held: bool | None
    before_deposit: Deposit | None
    before_archived: bool | None
    site: str
    status: Status | None
    held: bool | None
    deposit: Deposit | None
    archived: bool
