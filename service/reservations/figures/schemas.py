"""Response models of the figure routes, and the figures of a period for reports."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict

from service.core.values.states import MessageState
from service.reservations.figures.rules import Counts as Counts
from service.reservations.figures.rules import Period as Period
from service.reservations.figures.rules import Rate as Rate
from service.reservations.state_machine.states import State, Task


class Share(BaseModel):
    """`share` is `part` of `whole`, 0 to 1; null when `whole` is 0."""

    model_config = ConfigDict(from_attributes=True)

    part: int
    whole: int
    share: float | None


class StateCount(BaseModel):
    state: State
    number: int


class OperationCount(BaseModel):
    """手動対応 of one kind. `open` and `done`: begun today. `carried`: open since an earlier day. `overdue`: open and
    past the target."""

    kind: Task
    open: int
    done: int
    carried: int
    overdue: int


class Today(BaseModel):
    """`requested`: requested today; `states`: their current states. `before`: requested yesterday up to this time of
    day. `starting`: confirmed reservations that start today. `begun`: 手動対応 that began today. `still_open`: open
    手動対応, including earlier days."""

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
    """From Monday (`first`) to Sunday. `before`: the whole previous week. Goals in percent, null without a goal."""

    as_of: datetime
    first: date
    days: list[DayRates]
    this: Rates
    before: Rates
    success_goal: int | None
    payment_goal: int | None


class Notice(BaseModel):
    """`title`: the message in one line. `subject` and `subject_id`: what it is about."""

    id: int
    title: str
    recipient: str
    subject: str | None
    subject_id: str | None
    created_at: datetime
    sent_at: datetime | None
    state: MessageState
    last_error: str | None


class Notices(BaseModel):
    """The latest first; in real time."""

    as_of: datetime
    items: list[Notice]
