"""Values for the fields of the carrier's screen: pure functions of columns and their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from service.agencies.fields import rules as fields

_PART_INDEXES = {"first": 0, "second": 1, "third": 2}
_UNITS = ("year", "month", "day")
PART_LABELS = {
    "whole": "",
    "first": "（1つ目）",
    "second": "（2つ目）",
    "third": "（3つ目）",
    "year": "（年）",
    "month": "（月）",
    "day": "（日）",
}


def part_value(field: str, part: str, value: Any) -> str:
    """The value for one field of the carrier's screen. A telephone number whose parts are not known is put whole into
    the first field."""
    if value is None or value == "" or value == []:
        return ""
    if part in _UNITS:
        return _date_parts(value)[_UNITS.index(part)]
    if part in _PART_INDEXES:
        parts = _split(field, str(value))
        return parts[_PART_INDEXES[part]] if _PART_INDEXES[part] < len(parts) else ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list):
        return ",".join(value)
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return str(value)


def code_names(value: Any, names: Mapping[str, str]) -> str:
    """The name of a code, or the names of several codes; "" when the value is not a code."""
    codes = value if isinstance(value, list) else [value]
    return "、".join(names[code] for code in codes if code in names)


def _split(field: str, value: str) -> Sequence[str]:
    if "zip_code" in field:
        return value[:3], value[3:]
    if "phone" in field:
        try:
            return fields.phone_parts(value)
        except ValueError:
            return (value,)
    return (value,)


def _date_parts(value: Any) -> tuple[str, str, str]:
    """Year, month and day of a date, or year and month of a month as 2026-01; without leading zeros."""
    if isinstance(value, date):
        return str(value.year), str(value.month), str(value.day)
    year, _, month = str(value).partition("-")
    return year, str(int(month)) if month.isdigit() else "", ""
