"""What becomes of a device in a count."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

# Rooms of a site that are counted within so many days of one another are one count of the site.
TOGETHER = timedelta(days=14)


class Result(StrEnum):
    """`elsewhere`: in another room of the site, whose count found it."""

    FOUND = "found"
    ELSEWHERE = "elsewhere"
    MISSING = "missing"
    MISPLACED = "misplaced"
    UNKNOWN = "unknown"


RESULT_WORDS = {
    Result.FOUND: "確認済み",
    Result.ELSEWHERE: "別の棚卸で確認済み",
    Result.MISSING: "未確認",
    Result.MISPLACED: "対象外の機器",
    Result.UNKNOWN: "未登録の番号",
}
