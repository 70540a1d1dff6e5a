"""Readable axes: round steps, few labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MAX_LABELS = 12


@dataclass(frozen=True)
class Axis:
    """From `bottom` to `top`, with a tick at each of `ticks`."""

    bottom: float
    top: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """The position of the value: 0 at the bottom, 1 at the top."""
        return (value - self.bottom) / (self.top - self.bottom)


def step_for(spread: float, is_whole: bool) -> float:
    """The smallest of 1, 2, 5 × 10ⁿ that divides the spread into at most five steps; at least 1 for whole numbers."""
    raw = max(spread / 5, 1e-9)
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= raw * (1 - 1e-9))
    return max(1.0, step) if is_whole else step


def axis(values: Sequence[float], from_zero: bool = True) -> Axis:
    """An axis for all values (none negative). It does not begin at zero only when all values are close together."""
    top, bottom = max(values, default=0), min(values, default=0)
    is_whole = all(float(value).is_integer() for value in values)
    if from_zero or bottom < 0.6 * top or top == bottom:
        bottom = 0
    step = step_for((top - bottom) or 1, is_whole)
    first, last = math.floor(bottom / step), max(math.ceil(top / step), math.floor(bottom / step) + 1)
    return Axis(first * step, last * step, tuple(round(count * step, 10) for count in range(first, last + 1)))


def number(value: float, digits: int | None = None) -> str:
    """1234.5 → 1,234.5; whole numbers without a decimal point unless `digits` is given."""
    if digits is not None:
        return f"{value:,.{digits}f}"
    return f"{value:,.0f}" if float(value).is_integer() else f"{round(value, 6):,}"


def label_indexes(count: int, max_labels: int = MAX_LABELS) -> list[int]:
    """The indexes of the labels that are shown: every one, every second, … so that they do not overlap."""
    step = max(1, math.ceil(count / max_labels))
    return list(range(0, count, step))
