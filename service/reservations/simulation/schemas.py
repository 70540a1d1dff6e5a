"""What goes in and out of the simulation's door over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from service.reservations.shops.schemas import Called
from service.reservations.simulation.rules import Trust


class Wanted(BaseModel):
    """`order`: the shops' ids with commas, all of the service's; without it, the present order. `months`: how far the
    history goes back."""

    months: Annotated[int, Field(ge=1, le=24)] = 12
    order: Annotated[str, Field(max_length=2000, pattern=r"^[0-9]{1,18}(,[0-9]{1,18})*$")] | None = None


class ScoreItem(BaseModel):
    """`success`, `measured` and `doubt` are shares of one; `doubt`: how far `success` may be off."""

    success: float
    mean_minutes: float | None
    median_minutes: float | None
    calls: float
    measured: float
    doubt: float


class ShopItem(Called):
    """`known_calls` of the history, `known_ok` of these; `likely`: with how many it is likely to agree."""

    known_calls: int
    known_ok: int
    likely: float
    minutes: float


class Simulation(BaseModel):
    """`actual`: what happened; `present` and `tried`: what is to be expected of either order, by the same rules.
    `shops` stand in the present order, `version` is its own. `suggested` is the present order when none is better."""

    as_of: datetime
    since: datetime
    service_id: int
    service_name: str
    version: int
    reservations: int
    shops: list[ShopItem]
    order: list[int]
    actual: ScoreItem
    present: ScoreItem
    tried: ScoreItem
    suggested: list[int]
    suggested_score: ScoreItem
    trust: Trust
    is_certain: bool
