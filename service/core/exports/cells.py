"""A text that begins like a formula would be run by the spreadsheet that opens it; an apostrophe in front stops that.

Excel shows the apostrophe; whoever imports the file again loses it (`original`).
"""

from __future__ import annotations

import re

# A full-width sign counts too: Excel takes it for the half-width one.
FORMULA = "=+-@\t\r\n＝＋－＠"
_BEGINS = re.compile(f"[{re.escape(FORMULA)}]")
_NEUTRAL = re.compile(f"'(?=[{re.escape(FORMULA)}])")
# What XML cannot hold.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udfff]")
LONGEST_IN_EXCEL = 32_767


def neutral(text: str) -> str:
    return f"'{text}" if _BEGINS.match(text) else text


def original(text: str) -> str:
    """What `neutral` was given."""
    return text[1:] if _NEUTRAL.match(text) else text


def for_excel(text: str) -> str:
    return neutral(_UNPRINTABLE.sub("", text))[:LONGEST_IN_EXCEL]
