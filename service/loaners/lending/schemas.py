"""Request and response models of open loans."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, Field

from service.core.values.texts import NO_NUL
from service.loaners.lending.rules import DueState, Stale
from service.loaners.lists.schemas import Cut
from service.loaners.rules import Deposit, Kind


class LoanFilters(Cut):
    kind: Kind | None = None
    state: DueState | None = None
    stale: Stale | None = None
    q: Annotated[str, Field(max_length=100, pattern=NO_NUL)] | None = None
    sort: Annotated[str, Field(max_length=50)] = "due_on"


class LoanItem(BaseModel):
    """`days` since 貸出日, or else since the loan was recorded; `overdue`: days since 返却予定日 (negative: days
    remaining); `stale`: why the loan seems to be forgotten."""

    device_id: int
    number: str
    kind: Kind
    model_name: str
    site_name: str
    jurisdiction: str
    borrower: str
    loan_number: str
    lent_on: date | None
    due_on: date | None
    since: datetime
    days: int
    overdue: int | None
    held: bool | None
    deposit: Deposit | None
    last_at: datetime
    stale: list[Stale]
    reminded_at: datetime | None


class LoanCounts(BaseModel):
    """`oldest`: days of the loan that is overdue longest."""

    as_of: datetime
    total: int
    overdue: int
    soon: int
    no_due: int
    oldest: int
    stale: dict[Stale, int]
    soon_days: int
    returnable_days: int
    silent_days: int
