"""What makes an incident weigh more than another: points from 0 to 100, and a word for them.

The greatest part is how much of the worst affected store stands still: a shop's only till before one of eight. Then the
contract, and whether the shop is likely to be open. `impact.queries` counts the points in SQL, so that lists sort by
them; nothing else knows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum

from service.core.times import TOKYO
from service.fleet.rules import AlertType, ContractType, Status

# All of a store's terminals stand still; a part of them counts for that part.
STANDSTILL = 60
CONTRACT = {ContractType.BASIC: 0, ContractType.STANDARD: 10, ContractType.PREMIUM: 20}
TRADING = 20
# Nobody can pay at a terminal in one of these.
STOPPED = (Status.OFFLINE, Status.ERROR)
# These alerts leave the terminal at work: the store takes money as ever.
AT_WORK = (AlertType.HIGH_CPU, AlertType.HIGH_MEMORY, AlertType.UPDATE_FAILED)
HIGH_FROM, MIDDLE_FROM = 70, 45


class Level(StrEnum):
    HIGH = "high"
    MIDDLE = "middle"
    LOW = "low"


@dataclass(frozen=True)
class Impact:
    """`stopped` of `terminals` of the worst affected store stand still; both 0 when all of them work."""

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
    """Whether a shop is likely to be open, `opens` to `closes` in Tokyo; over midnight when it closes before it opens,
    around the clock when both are the same."""
    clock = now.astimezone(TOKYO).time()
    if opens < closes:
        return opens <= clock < closes
    return clock >= opens or clock < closes
