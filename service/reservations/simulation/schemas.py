"""Request and response models of the simulation route."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from service.core.values.messages import described
from service.reservations.shops.schemas import Called
from service.reservations.simulation.rules import Trust


class Wanted(BaseModel):
    """`order`: ids of all shops of the service, separated by commas; default: the present order. `months`: how far back
    searches are read."""

    months: Annotated[int, Field(ge=1, le=24)] = 12
    order: (
        Annotated[
            str,
            Field(
                max_length=2000,
                pattern=described(
                    r"^[0-9]{1,18}(,[0-9]{1,18})*$", "提携店の番号を、カンマで区切って指定してください（例: 3,1,2）。"
                ),
            ),
        ]
        | None
    ) = None


class ScoreItem(BaseModel):
    """`success`, `measured` and `doubt` are shares, 0 to 1. `doubt`: standard error of `success`."""

    success: float
    mean_minutes: float | None
    median_minutes: float | None
    calls: float
    measured: float
    doubt: float


class ShopItem(Called):
    """`known_calls`: past calls; `known_ok`: of these, calls with an agreement. `likely`: estimated success rate."""

    known_calls: int
    known_ok: int
    likely: float
    minutes: float


class Simulation(BaseModel):
    """`actual`: the past searches as they happened. `present` and `tried`: the expected scores of both orders, by the
    same rules. `shops`: in the present order; `version`: of that order. `suggested`: the present order when none is
    better."""

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
