"""Japanese telephone numbers: kept as +81…, typed and shown as 03-1234-5678."""

from __future__ import annotations

import re

from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import InstrumentedAttribute

from service.core.texts import international, plain

REFUSAL = "日本の電話番号を、市外局番から入力してください（例: 03-1234-5678）。"
LOST_ZERO = "先頭の0がありません。Excelでは、電話番号の列の表示形式を「文字列」にしてから入力してください。"
_JAPAN = "+81"
# 020 is of machines, 050 of telephones over the internet, which take none from vendors of SMS.
_MOBILE = re.compile(r"\+81[6-9]0[0-9]{8}")
_BETWEEN = re.compile(r"[\s().-]")
# Area codes of three digits, and the fourth digits that make them one of four: 042 but 0422 and 0428. What is not
# named here has four, the great cities have two.
_AREAS = {
    "11": "", "17": "2345689", "18": "234567", "19": "1234578",
    "22": "0345689", "23": "34578", "24": "01234678", "25": "0456789", "26": "01345679", "27": "046789",
    "28": "02345789", "29": "1345679",
    "42": "28", "43": "689", "44": "", "45": "", "46": "03567", "47": "056789", "48": "0", "49": "345",
    "52": "", "53": "1236789", "54": "4578", "55": "01345678", "58": "14567", "59": "456789",
    "72": "15", "73": "56789", "75": "", "76": "135678", "77": "01234689", "78": "", "79": "0145679",
    "82": "0345679", "83": "345678", "84": "5678", "86": "356789", "87": "579", "88": "0345789", "89": "2345678",
    "92": "0", "93": "0", "95": "0245679", "96": "456789", "97": "234789", "98": "0234567", "99": "34567",
}  # fmt: skip
_THREE = "|".join(f"{area}[^{fourths}]" if fourths else f"{area}[0-9]" for area, fourths in _AREAS.items())
# As both Python and PostgreSQL understand them; the first that fits puts the hyphens in, and none fits after that.
_SHAPES = (
    r"^(0120|0570|0990)([0-9]{3})([0-9]{3})$",
    r"^(0800)([0-9]{3})([0-9]{4})$",
    r"^(0[5-9]0)([0-9]{4})([0-9]{4})$",
    r"^(03|06|04(?=29[0-69]|709|71))([0-9]{4})([0-9]{4})$",
    rf"^(?=0(?:{_THREE}))([0-9]{{3}})([0-9]{{3}})([0-9]{{4}})$",
    r"^(0[0-9]{3})([0-9]{2})([0-9]{4})$",
)
_HYPHENS = r"\1-\2-\3"


def e164(typed: str) -> str:
    """As it is kept and dialled. Raises ValueError, in words, for what is no number of Japan."""
    kept = international(typed)
    if kept is None:
        raise ValueError(REFUSAL)
    return kept


def from_cell(typed: str) -> str:
    """A number in an imported file, as it stands there. Raises ValueError, in words, where a spreadsheet has taken it
    for a number of another kind: 9012345678."""
    number = plain(typed)
    if re.fullmatch(r"[1-9][0-9]{8,9}", number):
        raise ValueError(LOST_ZERO)
    return number


def is_mobile(kept: str) -> bool:
    """Whether it can be sent an SMS. 060 is the newest of the mobile ones."""
    return _MOBILE.fullmatch(kept) is not None


def shown(kept: str) -> str:
    """As people write it; a number of another country stays as it is."""
    national = re.sub(r"^\+81", "0", kept)
    for shape in _SHAPES:
        national = re.sub(shape, _HYPHENS, national)
    return national


def shown_column(kept: InstrumentedAttribute[str]) -> ColumnElement[str]:
    """The same in a list, which the database writes."""
    national: ColumnElement[str] = func.regexp_replace(kept, r"^\+81", "0")
    for shape in _SHAPES:
        national = func.regexp_replace(national, shape, _HYPHENS)
    return national


def behind(kept: InstrumentedAttribute[str]) -> ColumnElement[str]:
    """The digits behind +81, in which `part` is looked for."""
    digits: ColumnElement[str] = func.substr(kept, len(_JAPAN) + 1)
    return digits


def part(asked: str) -> str | None:
    """What somebody looks for, if it may be a part of a number: the digits that are kept behind +81."""
    digits = _BETWEEN.sub("", plain(asked))
    if not re.fullmatch(r"\+?[0-9]+", digits):
        return None
    return re.sub(r"^(?:\+81)?0?", "", digits) or None
