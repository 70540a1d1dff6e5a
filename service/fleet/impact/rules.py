"""The impact score of an incident: 0 to 100 points, and a level.

Most points come from the share of stopped terminals in the worst affected store: the only till of a store before one of
eight. Then the contract, and whether the store is likely to be open. Only `impact.queries` counts the points, in SQL,
so that lists can be sorted by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time

from service.core.values.labels import Labelled
from service.core.values.times import TOKYO
from service.fleet.rules import AlertType, ContractType, Status

# Points when all terminals of a store are stopped; a share of them gets that share of the points.
STANDSTILL_POINTS = 60
CONTRACT_POINTS = {ContractType.BASIC: 0, ContractType.STANDARD: 10, ContractType.PREMIUM: 20}
TRADING_POINTS = 20
# No customer can pay at a terminal with one of these statuses.
STOPPED_STATUSES = (Status.OFFLINE, Status.ERROR)
# Terminals with these alerts still work: the store can take payments.
NOT_STOPPING_ALERTS = (AlertType.HIGH_CPU, AlertType.HIGH_MEMORY, AlertType.UPDATE_FAILED)
HIGH_FROM, MIDDLE_FROM = 70, 45


class Level(Labelled):
    HIGH = "high", "大"
    MIDDLE = "middle", "中"
    LOW = "low", "小"


@dataclass(frozen=True)
class Impact:
    """`stopped` of `terminals` in the worst affected store are stopped; both 0 when all of them work."""

    score: int
    level: Level
    stopped: int
    terminals: int
    contract_type: ContractType
    is_trading: bool


def level(score: int) -> Level:
    if score >= HIGH_FROM:
        return Level.HIGH
    return Level.MIDDLE if score >= MIDDLE_FROM else Level.LOW


def is_trading(now: datetime, opens: time, closes: time) -> bool:
    """Whether a store is likely to be open: `opens` to `closes` in Tokyo time, over midnight when it closes before it
    opens, around the clock when both are the same."""
    local_time = now.astimezone(TOKYO).time()
    if opens < closes:
        return opens <= local_time < closes
    return local_time >= opens or local_time < closes
