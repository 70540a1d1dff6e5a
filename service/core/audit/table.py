"""The audit log as rows of a spreadsheet, for CSV and Excel exports."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy.orm import Session

from service.core.audit import search
from service.core.audit.schemas import AuditItem, Filters
from service.core.values.times import TOKYO

TITLE = "監査ログ"
HEADER = ("日時", "業務", "操作者", "氏名", "操作", "対象", "対象のID", "変更内容", "接続元")


def rows(db: Session, visible_areas: Collection[str], filters: Filters) -> Iterator[list[str]]:
    """One row at a time, so that the log of years needs no memory."""
    return map(_cells, search.all_entries(db, visible_areas, filters))


def _cells(entry: AuditItem) -> list[str]:
    return [
        f"{entry.at.astimezone(TOKYO):%Y/%m/%d %H:%M:%S}",
        entry.area_title,
        entry.actor if entry.actor_name else entry.actor_title,
        entry.actor_name or "",
        entry.action_title,
        entry.target,
        entry.subject_id,
        "\n".join(change.text for change in entry.changes),
        "" if entry.address == "-" else entry.address,
    ]
