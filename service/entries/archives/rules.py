"""When a month is old enough, and what its file contains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from service.core.values.times import TOKYO, Month, month_of
from service.entries.logs.schemas import LogRow

# A year, leap day included. Younger logs stay in the list.
ARCHIVE_AFTER = timedelta(days=366)
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
    """The newest month that may be archived: all of its logs are older than a year."""
    return month_of(now - ARCHIVE_AFTER).plus(-1)


def file_title(nursery: str, month: Month) -> str:
    return f"入退ログ_{nursery}_{month}.csv"


def csv_rows(logs: Iterable[LogRow]) -> Iterator[tuple[str, ...]]:
    for log in logs:
        yield (
            str(log.id),
            _timestamp(log.timestamp),
            str(log.parent_id),
            log.parent_name,
            log.entry_type.label,
            "、".join(log.child_names),
            log.nursery_name,
            _timestamp(log.created_at),
            "はい" if log.was_offline else "",
            _timestamp(log.deleted_at),
            log.deleted_by or "",
            log.delete_reason or "",
        )


def _timestamp(at: datetime | None) -> str:
    return f"{at.astimezone(TOKYO):%Y-%m-%d %H:%M:%S}" if at else ""
