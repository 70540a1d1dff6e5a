"""Rates and money on the dashboards. A rate is the service's object with part, whole and share."""

from __future__ import annotations

from typing import TypedDict

from dashboards.contract.reservations import FiguresShare

NONE = "–"


class Rate(TypedDict):
    share: float | None


def percent(rate: Rate) -> str:
    return in_percent(rate["share"])


def in_percent(share: float | None) -> str:
    """92%, 91.7%; – without a value. Never 100% for less than the whole."""
    rounded = _rounded(share)
    return NONE if rounded is None else f"{rounded:g}%"


def value(rate: Rate) -> float | None:
    """In percent, for a chart."""
    return _rounded(rate["share"])


def _rounded(share: float | None) -> float | None:
    if share is None:
        return None
    return min(round(share * 100, 1), 99.9) if share < 1 else 100.0


def ratio_text(rate: FiguresShare) -> str:
    """11 / 12件"""
    return f"{rate['part']:,} / {rate['whole']:,}件"


def points(current: Rate, previous: Rate) -> float | None:
    """The change in percentage points; None when there is nothing to compare."""
    current_value, previous_value = value(current), value(previous)
    return None if current_value is None or previous_value is None else round(current_value - previous_value, 1)


def yen(amount: int) -> str:
    return f"-¥{-amount:,}" if amount < 0 else f"¥{amount:,}"


def month(text: str) -> str:
    """2026年11月, from 2026-11."""
    year, number = text.split("-")
    return f"{int(year)}年{int(number)}月"


def short_month(text: str) -> str:
    """26/11, for an axis."""
    year, number = text.split("-")
    return f"{int(year) % 100}/{int(number)}"
