"""The result of a stocktake for a device."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

# Stocktakes of rooms of a site within this time belong together.
SAME_STOCKTAKE_WITHIN = timedelta(days=14)


class Result(StrEnum):
    """`elsewhere`: found by the stocktake of another room of the site."""

    FOUND = "found"
    ELSEWHERE = "elsewhere"
    MISSING = "missing"
    MISPLACED = "misplaced"
    UNKNOWN = "unknown"


RESULT_LABELS = {
    Result.FOUND: "確認済み",
    Result.ELSEWHERE: "別の棚卸で確認済み",
    Result.MISSING: "未確認",
    Result.MISPLACED: "対象外の機器",
    Result.UNKNOWN: "未登録の番号",
}
