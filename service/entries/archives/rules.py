"""When a month is old enough, and what its file holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from service.core.times import TOKYO, Month, month_of
from service.entries.rules import TYPE_WORDS, EntryType

# A year, leap day included: what is younger is looked up in the list.
KEPT = timedelta(days=366)
HEADER = (
    "ログID",
    "日時",
    "保護者ID",
    "保護者名",
    "入/出",
    "関連園児名",
    "保育園名",
    "受信日時",
    "オフライン",
    "削除日時",
    "削除した人",
    "削除の理由",
)


def newest_month(now: datetime) -> Month:
    """The last month whose logs may be put away: every one of them is older than a year."""
    return month_of(now - KEPT).plus(-1)


def title(nursery: str, month: Month) -> str:
    return f"入退ログ_{nursery}_{month}.csv"


def rows(logs: Iterable[Any]) -> Iterator[tuple[str, ...]]:
    for log in logs:
        yield (
            str(log.id),
            _moment(log.timestamp),
            str(log.parent_id),
            log.parent_name,
            TYPE_WORDS[EntryType(log.entry_type)],
            "、".join(log.child_names),
            log.nursery_name,
            _moment(log.created_at),
            "はい" if log.was_offline else "",
            _moment(log.deleted_at),
            log.deleted_by or "",
            log.delete_reason or "",
        )


def _moment(moment: datetime | None) -> str:
    return f"{moment.astimezone(TOKYO):%Y-%m-%d %H:%M:%S}" if moment else ""
