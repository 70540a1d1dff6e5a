"""Search in lists by a text, or by a telephone number however it is written."""

from __future__ import annotations

from sqlalchemy import ColumnElement, String, bindparam, func, or_
from sqlalchemy.orm import InstrumentedAttribute

from service.core.database.paging import Column, Filter, like_pattern
from service.core.values import phones

# One parameter holds two patterns: the text's, and the digits', which may be empty.
_SEPARATOR = "\x1f"


def text_or_phone(*columns: Column, phone: InstrumentedAttribute[str]) -> Filter:
    """Rows with the text in one of the columns, or with the digits in the telephone number."""

    def condition(name: str) -> ColumnElement[bool]:
        text, digits = (func.split_part(bindparam(name, type_=String), _SEPARATOR, part) for part in (1, 2))
        return or_(
            *(func.lower(column).like(func.lower(text), escape="/") for column in columns),
            # NULL, not an empty pattern: a row without a telephone number would match every search.
            phones.digits_after_prefix(phone).like(func.nullif(digits, "")),
        )

    return Filter(condition, _patterns)


def _patterns(typed: str) -> str | None:
    text, digits = like_pattern(typed.strip()), phones.searched_digits(typed)
    return f"{text}{_SEPARATOR}{f'%{digits}%' if digits else ''}" if text else None
