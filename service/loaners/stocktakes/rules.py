"""The result of a stocktake for a device."""

from __future__ import annotations

from datetime import timedelta

from service.core.values.labels import Labelled

# Stocktakes of rooms of a site within this time belong together.
SAME_STOCKTAKE_WITHIN = timedelta(days=14)


class Result(Labelled):
    """`elsewhere`: found by the stocktake of another room of the site."""

    FOUND = "found", "確認済み"
    ELSEWHERE = "elsewhere", "別の棚卸で確認済み"
    MISSING = "missing", "未確認"
    MISPLACED = "misplaced", "対象外の機器"
    UNKNOWN = "unknown", "未登録の番号"
