"""CSV and formula injection: a spreadsheet would run a text that begins like a formula; an apostrophe prevents that.

Excel shows the apostrophe; an import of the file removes it (`original`).
"""

from __future__ import annotations

import re

# Also full-width signs: Excel reads them as the half-width ones.
FORMULA = "=+-@\t\r\n＝＋－＠"
_FORMULA_START = re.compile(f"[{re.escape(FORMULA)}]")
_NEUTRALISED = re.compile(f"'(?=[{re.escape(FORMULA)}])")
# Characters that XML cannot contain.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udfff]")
MAX_EXCEL_CELL_LENGTH = 32_767


def neutralised(text: str) -> str:
    return f"'{text}" if _FORMULA_START.match(text) else text


def original(text: str) -> str:
    """The text before `neutralised`."""
    return text[1:] if _NEUTRALISED.match(text) else text


def for_excel(text: str) -> str:
    return neutralised(_UNPRINTABLE.sub("", text))[:MAX_EXCEL_CELL_LENGTH]
