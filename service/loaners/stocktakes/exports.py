"""A count as a file."""

from __future__ import annotations

from sqlalchemy.orm import Session

from service.core.exports.declared import List
from service.loaners.lists.exports import Table
from service.loaners.rules import KIND_WORDS, STATUS_WORDS, written
from service.loaners.stocktakes import queries, schemas
from service.loaners.stocktakes.rules import RESULT_WORDS

# None that a statement alone could write.
EXPORTS: tuple[List, ...] = ()
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


def rows(db: Session, stocktake_id: int, filters: schemas.RowFilters) -> Table:
    """Raises NotFound."""
    head = queries.stocktake_in_full(db, stocktake_id)
    title = "_".join(part for part in ("棚卸", head["site_name"], head["room"]) if part)
    found = (_row(one) for one in queries.all_rows(db, stocktake_id, filters))
    asked = {"id": stocktake_id} | filters.model_dump(mode="json", exclude_defaults=True)
    return Table(title, "stocktake", HEADER, found, asked)


def _row(one: schemas.RowItem) -> list[str]:
    return [
        RESULT_WORDS[one.result],
        one.number,
        KIND_WORDS[one.kind] if one.kind else "",
        one.model_name or "",
        one.serial or "",
        one.site_name or "",
        STATUS_WORDS[one.status] if one.status else "",
        one.scanned_by or "",
        written(one.scanned_at) if one.scanned_at else "",
        one.note,
    ]
