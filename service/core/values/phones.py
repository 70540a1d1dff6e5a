"""Japanese telephone numbers: stored as E.164 (+81…), typed and shown as 03-1234-5678."""

from __future__ import annotations

import re

from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import InstrumentedAttribute

from service.core.values.texts import half_width, to_e164

INVALID_NUMBER = "日本の電話番号を、市外局番から入力してください（例: 03-1234-5678）。"
LOST_ZERO = "先頭の0がありません。Excelでは、電話番号の列の表示形式を「文字列」にしてから入力してください。"
_JAPAN = "+81"
# 020 is for machines, 050 for internet telephony, which receives no SMS from vendors.
_MOBILE = re.compile(r"\+81[6-9]0[0-9]{8}")
_SEPARATORS = re.compile(r"[\s().-]")
# Area codes of three digits (without the leading 0), and the fourth digits that make them codes of four: 042, but 0422
# and 0428. All others have four digits; the largest cities have two. Not formatted: a line for each tens digit reads as
# the numbering plan does.
_THREE_DIGIT_AREAS = {
    "11": "", "17": "2345689", "18": "234567", "19": "1234578",
    "22": "0345689", "23": "34578", "24": "01234678", "25": "0456789", "26": "01345679", "27": "046789",
    "28": "02345789", "29": "1345679",
    "42": "28", "43": "689", "44": "", "45": "", "46": "03567", "47": "056789", "48": "0", "49": "345",
    "52": "", "53": "1236789", "54": "4578", "55": "01345678", "58": "14567", "59": "456789",
    "72": "15", "73": "56789", "75": "", "76": "135678", "77": "01234689", "78": "", "79": "0145679",
    "82": "0345679", "83": "345678", "84": "5678", "86": "356789", "87": "579", "88": "0345789", "89": "2345678",
    "92": "0", "93": "0", "95": "0245679", "96": "456789", "97": "234789", "98": "0234567", "99": "34567",
}  # fmt: skip
_THREE_DIGIT_PATTERN = "|".join(
    f"{area}[^{fourths}]" if fourths else f"{area}[0-9]" for area, fourths in _THREE_DIGIT_AREAS.items()
)
# For both Python and PostgreSQL. The first pattern that matches inserts the hyphens; then no other one matches.
_SHAPES = (
    r"^(0120|0570|0990)([0-9]{3})([0-9]{3})$",
    r"^(0800)([0-9]{3})([0-9]{4})$",
    r"^(0[5-9]0)([0-9]{4})([0-9]{4})$",
    r"^(03|06|04(?=29[0-69]|709|71))([0-9]{4})([0-9]{4})$",
    rf"^(?=0(?:{_THREE_DIGIT_PATTERN}))([0-9]{{3}})([0-9]{{3}})([0-9]{{4}})$",
    r"^(0[0-9]{3})([0-9]{2})([0-9]{4})$",
)
_HYPHENS = r"\1-\2-\3"


def e164(typed: str) -> str:
    """The number as stored and dialled. Raises ValueError, with a message for the user, for a number that is not
    Japanese."""
    stored = to_e164(typed)
    if stored is None:
        raise ValueError(INVALID_NUMBER)
    return stored


def from_cell(typed: str) -> str:
    """A number from a cell of an imported file. Raises ValueError, with a message for the user, when a spreadsheet has
    removed the leading zero: 9012345678."""
    number = half_width(typed)
    if re.fullmatch(r"[1-9][0-9]{8,9}", number):
        raise ValueError(LOST_ZERO)
    return number


def is_mobile(stored: str) -> bool:
    """Whether the number can receive an SMS. 060 is the newest prefix of mobile numbers."""
    return _MOBILE.fullmatch(stored) is not None


def format_phone(stored: str) -> str:
    """The stored number as people in Japan write it; a number of another country stays as it is."""
    national = re.sub(r"^\+81", "0", stored)
    for shape in _SHAPES:
        national = re.sub(shape, _HYPHENS, national)
    return national


def format_phone_column(stored: InstrumentedAttribute[str]) -> ColumnElement[str]:
    """`format_phone` as an SQL expression."""
    national: ColumnElement[str] = func.regexp_replace(stored, r"^\+81", "0")
    for shape in _SHAPES:
        national = func.regexp_replace(national, shape, _HYPHENS)
    return national


def digits_after_prefix(stored: InstrumentedAttribute[str]) -> ColumnElement[str]:
    """The digits after +81, for a search with `searched_digits`."""
    digits: ColumnElement[str] = func.substr(stored, len(_JAPAN) + 1)
    return digits


def searched_digits(query: str) -> str | None:
    """The digits of a search text, as they are stored after +81; None when it cannot be part of a number."""
    digits = _SEPARATORS.sub("", half_width(query))
    if not re.fullmatch(r"\+?[0-9]+", digits):
        return None
    return re.sub(r"^(?:\+81)?0?", "", digits) or None
