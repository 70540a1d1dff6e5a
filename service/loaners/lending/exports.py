"""Open loans as a file, with the columns of their page."""

from __future__ import annotations

from sqlalchemy.orm import Session

from service.core.exports.declared import List
from service.loaners.lending import queries, schemas
from service.loaners.lending.rules import STALE_WORDS
from service.loaners.lists.exports import Table
from service.loaners.rules import DEPOSIT_WORDS, KIND_WORDS, written

# None that a statement alone could write.
EXPORTS: tuple[List, ...] = ()
HEADER = (
    "拠点管理番号",
    "機器種別",
    "機種名",
    "拠点",
    "貸出先",
    "貸出番号",
    "貸出日",
    "返却予定日",
    "超過日数",
    "貸出日数",
    "預り機のステータス",
    "最終更新",
    "注意",
)


def loans(db: Session, filters: schemas.LoanFilters) -> Table:
    rows = (_row(one) for one in queries.all_loans(db, filters))
    return Table("貸出状況", "device", HEADER, rows, filters.model_dump(mode="json", exclude_defaults=True))


def _row(one: schemas.LoanItem) -> list[str]:
    return [
        one.number,
        KIND_WORDS[one.kind],
        one.model_name,
        one.site_name,
        one.borrower,
        one.loan_number,
        f"{one.lent_on:%Y/%m/%d}" if one.lent_on else "",
        f"{one.due_on:%Y/%m/%d}" if one.due_on else "",
        str(one.overdue) if one.overdue and one.overdue > 0 else "",
        str(one.days),
        DEPOSIT_WORDS[one.deposit].title if one.deposit else "",
        written(one.last_at),
        "、".join(STALE_WORDS[kind] for kind in one.stale),
    ]
