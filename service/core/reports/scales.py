"""Axes that a person can read: round steps, few labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MOST_LABELS = 12


@dataclass(frozen=True)
class Axis:
    """From `bottom` to `top`, with a tick at each of `ticks`."""

    bottom: float
    top: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Where the value lies: 0 at the bottom, 1 at the top."""
        return (value - self.bottom) / (self.top - self.bottom)


def step_for(spread: float, whole: bool) -> float:
    """The smallest of 1, 2, 5 × 10ⁿ that cuts the spread into five or fewer; of whole things at least 1."""
    raw = max(spread / 5, 1e-9)
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * size for factor in (1, 2, 5, 10) if factor * size >= raw * (1 - 1e-9))
    return max(1.0, step) if whole else step


def axis(values: Sequence[float], from_zero: bool = True) -> Axis:
    """An axis that holds all values (none negative). Not from zero only where all values lie close together."""
    top, bottom = max(values, default=0), min(values, default=0)
    whole = all(float(value).is_integer() for value in values)
    if from_zero or bottom < 0.6 * top or top == bottom:
        bottom = 0
    step = step_for((top - bottom) or 1, whole)
    first, last = math.floor(bottom / step), max(math.ceil(top / step), math.floor(bottom / step) + 1)
    return Axis(first * step, last * step, tuple(round(count * step, 10) for count in range(first, last + 1)))


def number(value: float, digits: int | None = None) -> str:
    """1234.5 → 1,234.5; whole numbers without a decimal point unless digits are asked for."""
    if digits is not None:
        return f"{value:,.{digits}f}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{round(value, 6):,}"


def shown(count: int, most: int = MOST_LABELS) -> list[int]:
    """Which of so many labels are written: every one, every second, … so that they do not touch."""
    every = max(1, math.ceil(count / most))
    return list(range(0, count, every))
