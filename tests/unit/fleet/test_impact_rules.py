"""The impact score of an incident, and when a shop is probably open."""

from __future__ import annotations

from datetime import date, datetime, time

import pytest

from service.core.values.times import TOKYO
from service.fleet.impact import rules
from service.fleet.impact.rules import Level
from service.fleet.rules import ContractType


def test_the_points_add_up_to_a_hundred() -> None:
    assert rules.STANDSTILL_POINTS + max(rules.CONTRACT_POINTS.values()) + rules.TRADING_POINTS == 100
    assert set(rules.CONTRACT_POINTS) == set(ContractType)


@pytest.mark.parametrize(
    ("score", "level"), [(100, "high"), (70, "high"), (69, "middle"), (45, "middle"), (44, "low"), (0, "low")]
)
def test_a_score_has_a_level(score: int, level: str) -> None:
    assert rules.level(score) is Level(level)


@pytest.mark.parametrize(
    ("opens", "closes", "clock", "is_trading"),
    [
        (time(9), time(21), time(8, 59), False),
        (time(9), time(21), time(9), True),
        (time(9), time(21), time(21), False),
        (time(18), time(2), time(1, 59), True),
        (time(18), time(2), time(2), False),
        (time(18), time(2), time(23), True),
        (time(0), time(0), time(4), True),
    ],
)
def test_trading_hours_may_go_over_midnight(opens: time, closes: time, clock: time, is_trading: bool) -> None:
    now = datetime.combine(date(2026, 11, 21), clock, TOKYO)
    assert rules.is_trading(now, opens, closes) is is_trading
