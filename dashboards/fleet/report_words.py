"""The words and numbers of monthly reports."""

from __future__ import annotations


def month_words(month: str) -> str:
    """2026-10 as 2026年10月."""
    return f"{int(month[:4])}年{int(month[5:])}月"


def percent(share: float | None) -> str:
    """99.87%; never 100 for what was not whole."""
    if share is None:
        return "–"
    return "100%" if share == 1 else f"{min(share, 0.9999):.2%}"


def change(now: float | None, before: float | None) -> float | None:
    """In percentage points."""
    return None if now is None or before is None else round((now - before) * 100, 2)
