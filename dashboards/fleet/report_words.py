"""Texts and numbers of monthly reports."""

from __future__ import annotations


def month_text(month: str) -> str:
    """2026-10 as 2026年10月."""
    return f"{int(month[:4])}年{int(month[5:])}月"


def percent_text(share: float | None) -> str:
    """99.87%; 100% only for exactly 1."""
    if share is None:
        return "–"
    return "100%" if share == 1 else f"{min(share, 0.9999):.2%}"


def percentage_point_change(value: float | None, previous: float | None) -> float | None:
    """In percentage points."""
    return None if value is None or previous is None else round((value - previous) * 100, 2)
