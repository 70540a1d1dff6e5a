"""Periods that a caller chooses: from a day, or a time, to one that is not before it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from pydantic import AfterValidator, ValidationInfo

from service.core.values.times import local_date

WRONG_ORDER = "期間の終わりは、始まりと同じ日か、それより後の日を指定してください。"


def not_before(first: str, message: str = WRONG_ORDER) -> AfterValidator:
    """For the end of a period, declared after its start, the field `first`: an end before the start is refused, at its
    own field. Without it a list would be empty, and nobody would know why."""

    def check(last: Any, info: ValidationInfo) -> Any:
        start = info.data.get(first)
        if start is not None and last is not None and _is_before(last, start):
            raise ValueError(message)
        return last

    return AfterValidator(check)


def _is_before(last: date, start: date) -> bool:
    """A day and a time are compared as days of Tokyo."""
    if isinstance(last, datetime) is isinstance(start, datetime):
        return last < start
    last_day, first_day = (local_date(at) if isinstance(at, datetime) else at for at in (last, start))
    return last_day < first_day
