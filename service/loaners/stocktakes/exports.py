"""Export of a stocktake."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from service.core.database.session import Db
from service.core.exports.declared import ExportList
from service.core.resources import PathId
from service.loaners.lists.exports import Table
from service.loaners.rules import STATUS_LABELS, format_timestamp
from service.loaners.stocktakes import queries, schemas

# Empty: no list here can be exported by one SELECT.
EXPORTS: tuple[ExportList, ...] = ()
HEADER = (
    "結果",
    "拠点管理番号",
    "機器種別",
    "機種名",
    "製造番号",
    "現在の拠点",
    "現在のステータス",
    "確認した人",
    "確認日時",
    "備考",
)


def rows(db: Db, stocktake_id: PathId, filters: Annotated[schemas.RowFilters, Query()]) -> Table:
    """Raises NotFound."""
    stocktake = queries.stocktake_detail(db, stocktake_id)
    title = "_".join(part for part in ("棚卸", stocktake.site_name, stocktake.room) if part)
    table_rows = (_row(item) for item in queries.all_rows(db, stocktake_id, filters))
    audit_filters = {"id": stocktake_id} | filters.model_dump(mode="json", exclude_defaults=True)
    return Table(title, "stocktake", HEADER, table_rows, audit_filters)


def _row(item: schemas.RowItem) -> list[str]:
    return [
        item.result.label,
        item.number,
        item.kind.label if item.kind else "",
        item.model_name or "",
        item.serial or "",
        item.site_name or "",
        STATUS_LABELS[item.status] if item.status else "",
        item.scanned_by or "",
        format_timestamp(item.scanned_at) if item.scanned_at else "",
        item.note,
    ]
