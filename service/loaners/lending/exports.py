"""Export of open loans, with the columns of their page."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from service.core.database.session import Db
from service.core.exports.cells import Cell
from service.core.exports.declared import ExportList
from service.loaners.lending import queries, schemas
from service.loaners.lists.exports import Table
from service.loaners.rules import DEPOSIT_LABELS, format_timestamp

# Empty: no list here can be exported by one SELECT.
EXPORTS: tuple[ExportList, ...] = ()
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


def loans(db: Db, filters: Annotated[schemas.LoanFilters, Query()]) -> Table:
    rows = (_row(loan) for loan in queries.all_loans(db, filters))
    return Table("貸出状況", "device", HEADER, rows, filters.model_dump(mode="json", exclude_defaults=True))


def _row(loan: schemas.LoanItem) -> list[Cell]:
    return [
        loan.number,
        loan.kind.label,
        loan.model_name,
        loan.site_name,
        loan.borrower,
        loan.loan_number,
        f"{loan.lent_on:%Y/%m/%d}" if loan.lent_on else "",
        f"{loan.due_on:%Y/%m/%d}" if loan.due_on else "",
        loan.overdue if loan.overdue and loan.overdue > 0 else None,
        loan.days,
        DEPOSIT_LABELS[loan.deposit].title if loan.deposit else "",
        format_timestamp(loan.last_at),
        "、".join(kind.label for kind in loan.stale),
    ]
