"""Rates and money as they stand on the dashboards. A rate is what the service calls a share: part, whole, share."""

from __future__ import annotations

from dashboards.ui.columns import Row

NONE = "–"


def percent(rate: Row) -> str:
    return in_percent(rate["share"])


def in_percent(of_one: float | None) -> str:
    """92%, 91.7%; – of nothing. Never 100 for what was not whole."""
    found = _rounded(of_one)
    return NONE if found is None else f"{found:g}%"


def value(rate: Row) -> float | None:
    """In percent, for a chart."""
    return _rounded(rate["share"])


def _rounded(of_one: float | None) -> float | None:
    if of_one is None:
        return None
    return min(round(of_one * 100, 1), 99.9) if of_one < 1 else 100.0


def counted(rate: Row) -> str:
    """11 / 12件"""
    return f"{rate['part']:,} / {rate['whole']:,}件"


def points(now: Row, before: Row) -> float | None:
    """By how many points of a percent it moved; None where there is nothing to compare."""
    this, earlier = value(now), value(before)
    return None if this is None or earlier is None else round(this - earlier, 1)


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
