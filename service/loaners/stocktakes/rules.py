"""What becomes of a device in a count, and what a scanner read."""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from urllib.parse import unquote, urlsplit


class Result(StrEnum):
    FOUND = "found"
    MISSING = "missing"
    MISPLACED = "misplaced"
    UNKNOWN = "unknown"


RESULT_WORDS = {
    Result.FOUND: "確認済み",
    Result.MISSING: "未確認",
    Result.MISPLACED: "対象外の機器",
    Result.UNKNOWN: "未登録の番号",
}


def result(*, known: bool, expected: bool, scanned: bool) -> Result:
    if not known:
        return Result.UNKNOWN
    if not expected:
        return Result.MISPLACED
    return Result.FOUND if scanned else Result.MISSING


def number_read(text: str) -> str:
    """The number that a label carries: bare, or at the end of the address in its QR code. Full-width letters of a
    Japanese input method become plain ones; "" when nothing is left."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if "://" in plain:
        path = urlsplit(plain).path.rstrip("/")
        plain = unquote(path.rpartition("/")[2])
    return plain.strip()
