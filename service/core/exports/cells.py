"""Cells of exported tables: a spreadsheet shows what the page shows, and runs nothing.

A CSV file has no types, and a spreadsheet guesses: it runs a text that begins like a formula, and reads 0012, 1-2 or 13
digits as numbers and dates that it shows differently. The first gets an apostrophe, which stays to be seen; the second
are written as ="0012". An import of the file removes both (`original`). A workbook has types, and needs neither.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal

from service.core.values.texts import visible
from service.core.values.times import TOKYO

# What the rows of a table may have that is not selected by one statement; times are shown in Tokyo time.
Cell = str | int | float | Decimal | date | None
DATE = "YYYY/MM/DD"
DATETIME = "YYYY/MM/DD HH24:MI"
# Also full-width signs: Excel reads them as the half-width ones.
FORMULA = "=+-@\t\r\n＝＋－＠"
_FORMULA_START = re.compile(f"[{re.escape(FORMULA)}]")
_NEUTRALISED = re.compile(f"'(?=[{re.escape(FORMULA)}])|" + r'=(?="[^"]*"\Z)')
_DIGITS = "0-9０-９"
_MONTHS = "|".join(
    "".join(f"[{letter}{letter.upper()}]" for letter in month)
    for month in ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
)
# Patterns for Python and PostgreSQL, for the whole cell.
# An amount with its sign: no operator and no name follows that could make it a formula (-5,500円/年(税込)).
AMOUNT = rf"[-－][{_DIGITS}][{_DIGITS},.]*(?:[%％]|[ぁ-んァ-ヶ一-龠々][ぁ-んァ-ヶー一-龠々{_DIGITS}/／()（）・、 ]*)?"
# What a spreadsheet would show differently, up to 10 characters and longer: PostgreSQL takes time for each alternative,
# and telephone numbers, which begin like all of them, need few.
SHORT = 10
_NUMBER = (
    rf"[{_DIGITS}]+[.][{_DIGITS}]*[0０]|[{_DIGITS}]+(?:[.][{_DIGITS}]+)?[eE][-+]?[{_DIGITS}]+"  # version 1.10, 1e5
)
_PLUS = rf"[+][{_DIGITS}][{_DIGITS} ()-]*"  # +81 90-1234-5678
CHANGED_SHORT = "|".join(
    (
        rf"[0０][{_DIGITS}]+|{_NUMBER}|{_PLUS}",
        rf"[{_DIGITS}]{{1,2}}[-/][{_DIGITS}]{{1,4}}|[{_DIGITS}]{{4}}[-/][{_DIGITS}]{{1,2}}",  # January 2nd, 2026-11
        rf"[{_DIGITS}]{{1,2}}[-/.][{_DIGITS}]{{1,2}}[-/.][{_DIGITS}]{{1,4}}",  # version 2.3.1
        rf"(?:{_MONTHS})[- /.]?[{_DIGITS}]{{1,4}}",
    )
)
CHANGED_LONG = rf"[{_DIGITS}]+|{_NUMBER}|{_PLUS}"  # 7.12346E+12, and cut after 15 digits
# The first characters of texts that a pattern may concern.
SUSPECT = FORMULA + "0123456789０１２３４５６７８９" + "jfmasondJFMASOND"
_AMOUNT = re.compile(AMOUNT)
_CHANGED_SHORT, _CHANGED_LONG = re.compile(CHANGED_SHORT), re.compile(CHANGED_LONG)
# Characters that XML cannot contain.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udfff]")
MAX_EXCEL_CELL_LENGTH = 32_767


def in_csv(text: str) -> str:
    """The text of a cell as CSV has it. `csv_file.write` does the same in SQL."""
    text = visible(text)
    if _is_changed(text):
        return f'="{text}"'
    return f"'{text}" if _FORMULA_START.match(text) and not _AMOUNT.fullmatch(text) else text


def _is_changed(text: str) -> bool:
    return bool((_CHANGED_LONG if len(text) > SHORT else _CHANGED_SHORT).fullmatch(text))


def original(text: str) -> str:
    """The text before `in_csv`."""
    if not _NEUTRALISED.match(text):
        return text
    return text[1:] if text.startswith("'") else text[2:-1]


def in_excel(text: str) -> str:
    return _UNPRINTABLE.sub("", visible(text))[:MAX_EXCEL_CELL_LENGTH]


def is_guessed(text: str) -> bool:
    """Whether a spreadsheet in which somebody edits the cell would take the text for something else."""
    return bool(_FORMULA_START.match(text) or _is_changed(text))


def shown_time(value: date, form: str) -> str:
    """A date or a time by a pattern of PostgreSQL's to_char."""
    for token, directive in {"YYYY": "%Y", "HH24": "%H", "MI": "%M", "MM": "%m", "DD": "%d", "SS": "%S"}.items():
        form = form.replace(token, directive)
    return f"{value.astimezone(TOKYO) if isinstance(value, datetime) else value:{form}}"
