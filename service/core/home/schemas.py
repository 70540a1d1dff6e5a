"""The answer of ホーム."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from service.core.values.labels import Labelled


class Whose(Labelled):
    MINE = "mine", "自分"
    NOBODY = "nobody", "担当者なし"
    ANOTHER = "another", "ほかの人"


class Unit(StrEnum):
    """How a figure is written."""

    COUNT = "count"
    YEN = "yen"
    PERCENT = "percent"


class Good(StrEnum):
    """The direction that is good news."""

    UP = "up"
    DOWN = "down"
    NEITHER = "neither"


class AreaState(BaseModel):
    """What the sentence of the area's first page says: `key` names the sentence, `figures` are those that the page
    itself reads; null while there is nothing to tell of. `address` is the page's."""

    area: str
    key: str
    address: str
    figures: dict[str, Any] | None


class DueItem(BaseModel):
    """`kind`: アラート, 手動対応. `step`: the next step, a verb; `address`: the page where it is done. Without `due_at`
    it has waited since `since`. `owner`: a name, or the role that does it."""

    id: str
    area: str
    kind: str
    title: str
    detail: str
    since: datetime | None
    due_at: datetime | None
    whose: Whose
    owner: str | None
    step: str
    address: str


class WeekFigure(BaseModel):
    """`value` of the last seven whole days, `before` of the seven days before, null where there is nothing to count.
    `series`: the single days of both, the oldest first, without days that have no value."""

    title: str
    unit: Unit
    good: Good
    value: float | None
    before: float | None
    series: list[float]


class AreaWeek(BaseModel):
    """`since` and `until`: the last seven whole days."""

    area: str
    title: str
    address: str
    since: date
    until: date
    figures: list[WeekFigure]


class MenuCounts(BaseModel):
    """`due`: as many as ホーム counts. `pages`: by the page's address. What could not be read now is null."""

    due: int | None
    pages: dict[str, int | None]


class Failure(BaseModel):
    """What could not be read now, such as the アラート of an area."""

    area: str
    title: str


class Home(BaseModel):
    """`due`: the user's own first, each by the time left; the totals count all. `has_due`: the user has work that can
    be due; who has none reads `weeks`. `areas`: the titles of the user's areas."""

    as_of: datetime
    areas: dict[str, str]
    states: list[AreaState]
    has_due: bool
    due: list[DueItem]
    due_total: int
    mine_total: int
    weeks: list[AreaWeek]
    failed: list[Failure]
