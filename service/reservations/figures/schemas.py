"""What goes out of the figures' doors over HTTP, and what a stretch of time amounts to for reports."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict

from service.core.messages import State as Sending
from service.reservations.events.rules import State, Task
from service.reservations.figures.rules import Counts as Counts
from service.reservations.figures.rules import Period as Period
from service.reservations.figures.rules import Rate as Rate


class Share(BaseModel):
    """`share` is `part` of `whole`, 0 to 1; null of nothing."""

    model_config = ConfigDict(from_attributes=True)

    part: int
    whole: int
    share: float | None


class StateCount(BaseModel):
    state: State
    number: int


class OperationCount(BaseModel):
    """手動対応 of a kind: begun today and `open` or `done`; `carried`: open since an earlier day. Of the open ones
    `overdue` are past their target."""

    kind: Task
    open: int
    done: int
    carried: int
    overdue: int


class Today(BaseModel):
    """`requested`: made today, of which `states` says how they stand now; `before`: made yesterday by this time.
    `starting`: confirmed ones whose day is today. `begun`: 手動対応 that began today; `still_open`: those of earlier
    days included."""

    as_of: datetime
    day: date
    requested: int
    before: int
    states: list[StateCount]
    starting: int
    operations: list[OperationCount]
    begun: int
    still_open: int
    overdue: int


class Rates(BaseModel):
    """予約成功率, 決済成功率 and キャンセル率 (`rules.Counts`)."""

    success: Share
    payment: Share
    cancellation: Share


class DayRates(Rates):
    day: date


class Week(BaseModel):
    """From Monday (`first`) to Sunday; `before`: the whole week before. Goals in percent, null without one."""

    as_of: datetime
    first: date
    days: list[DayRates]
    this: Rates
    before: Rates
    success_goal: int | None
    payment_goal: int | None


class Notice(BaseModel):
    """`title` is what it says, in a line; `subject` and `subject_id` what it is about."""

    id: int
    title: str
    recipient: str
    subject: str | None
    subject_id: str | None
    created_at: datetime
    sent_at: datetime | None
    state: Sending
    last_error: str | None


class Notices(BaseModel):
    """The last ones first; on real time."""

    as_of: datetime
    items: list[Notice]
