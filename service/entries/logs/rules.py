"""How scans are checked, and the error messages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from service.entries.rules import DOUBLE_SCAN, LARGEST_PARENT_ID

UNKNOWN_PARENT = "保護者が見つかりません。カードの番号を確かめ、見つからないときは園の職員にお知らせください。"
NOT_A_NUMBER = "バーコードを読み取れませんでした。1～10桁の数字の保護者IDをスキャンしてください。"
OTHER_NURSERY = "この端末の保育園と異なります。端末にログインし直してください。"
# A scan that is sent this much later than it was scanned has waited in the station's offline queue.
OFFLINE_AFTER = timedelta(seconds=30)
# A log from a station whose clock differs by more is marked.
MAX_SKEW_SECONDS = 120


def parse_parent_id(scanned: int | str) -> int | None:
    """The number on the card; None when no card can have it: a leading zero, too many digits, other characters."""
    digits = str(scanned)
    if not digits.isascii() or not digits.isdecimal() or digits.startswith("0"):
        return None
    number = int(digits) if len(digits) <= len(str(LARGEST_PARENT_ID)) else 0
    return number or None


def repeated_scan(at: datetime, earlier: Iterable[datetime]) -> datetime | None:
    """The earlier scan, of the same parent and entry type, that is less than ten seconds away."""
    return next((other for other in earlier if abs(at - other) < DOUBLE_SCAN), None)
