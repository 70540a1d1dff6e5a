"""What of a scan is believed, and what is said to it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from service.entries.rules import DOUBLE_SCAN, LARGEST_PARENT_ID

UNKNOWN_PARENT = "保護者が見つかりません。カードの番号を確かめ、見つからないときは園の職員にお知らせください。"
NOT_A_NUMBER = "バーコードを読み取れませんでした。1～10桁の数字の保護者IDをスキャンしてください。"
OTHER_NURSERY = "この端末の保育園と異なります。端末にログインし直してください。"
# A scan that is sent so much later than it was made has waited in the station's queue.
WAITED = timedelta(seconds=30)


def parent_id(scanned: int | str) -> int | None:
    """The number on the card; None for what no card carries: a leading zero, too many digits, anything else."""
    text = str(scanned)
    if not text.isascii() or not text.isdecimal() or text.startswith("0"):
        return None
    number = int(text) if len(text) <= len(str(LARGEST_PARENT_ID)) else 0
    return number or None


def double(moment: datetime, earlier: Iterable[datetime]) -> datetime | None:
    """The scan that this one repeats: the same parent's, the same way, within ten seconds."""
    return next((other for other in earlier if abs(moment - other) < DOUBLE_SCAN), None)
