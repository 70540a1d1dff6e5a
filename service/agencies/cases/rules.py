"""What an operator copies into the carrier's screen: pure functions of columns and their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from service.agencies.fields import rules as fields

_PLACES = {"first": 0, "second": 1, "third": 2}
_UNITS = ("year", "month", "day")
PART_WORDS = {
    "whole": "",
    "first": "（1つ目）",
    "second": "（2つ目）",
    "third": "（3つ目）",
    "year": "（年）",
    "month": "（月）",
    "day": "（日）",
}


def part_of(field: str, part: str, value: Any) -> str:
    """What stands in one box of the carrier's screen. A telephone number whose parts are not known stands whole in the
    first of them."""
    if value is None or value == "" or value == []:
        return ""
    if part in _UNITS:
        return _units(value)[_UNITS.index(part)]
    if part in _PLACES:
        parts = _pieces(field, str(value))
        return parts[_PLACES[part]] if _PLACES[part] < len(parts) else ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list):
        return ",".join(value)
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    return str(value)


def in_words(value: Any, names: Mapping[str, str]) -> str:
    """A code's name, or the names of several; nothing for what is no code."""
    codes = value if isinstance(value, list) else [value]
    return "、".join(names[code] for code in codes if code in names)


def _pieces(field: str, value: str) -> Sequence[str]:
    if "zip_code" in field:
        return value[:3], value[3:]
    if "phone" in field:
        try:
            return fields.phone_parts(value)
        except ValueError:
            return (value,)
    return (value,)


def _units(value: Any) -> tuple[str, str, str]:
    """A day, or a month written 2026-01; as people type it: without zeros in front."""
    if isinstance(value, date):
        return str(value.year), str(value.month), str(value.day)
    year, _, month = str(value).partition("-")
    return year, str(int(month)) if month.isdigit() else "", ""
