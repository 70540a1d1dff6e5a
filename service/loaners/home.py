"""What the loaners show on ホーム: overdue loans, and stocktakes that were begun."""

from __future__ import annotations

from urllib.parse import urlencode

from sqlalchemy.orm import Session

from service.core.access.auth import Actor
from service.core.home.declared import Due, DueList, DueRows, State, due_rows
from service.core.values.times import day_bounds
from service.loaners.lending import queries as lending
from service.loaners.lending.rules import DueState
from service.loaners.lending.schemas import LoanFilters, LoanItem
from service.loaners.stocktakes import queries as stocktakes
from service.loaners.stocktakes.schemas import StocktakeFilters, StocktakeItem


def _overdue_loans(db: Session, by: Actor, limit: int) -> DueRows:
    filters = LoanFilters(state=DueState.OVERDUE)
    return due_rows(lambda row: _loan(row, by), lambda: lending.loans(db, limit, None, filters))


def _loan(row: LoanItem, by: Actor) -> Due:
    may_register = "loaners:device:work" in by.permissions
    path = "/status-form" if may_register else "/loaners-device"
    return Due(
        row.device_id,
        row.number,
        f"{row.borrower or '貸出先未登録'}　{row.site_name}",
        "返却を確認する" if may_register else "内容を確認する",
        f"{path}?{urlencode({'number': row.number})}",
        since=row.since,
        # Until the end of 返却予定日.
        due_at=day_bounds(row.due_on)[1] if row.due_on else None,
    )


def _open_stocktakes(db: Session, _: Actor, limit: int) -> DueRows:
    filters = StocktakeFilters(is_open=True, sort="started_at")
    return due_rows(_stocktake, lambda: stocktakes.stocktakes(db, limit, None, filters))


def _stocktake(row: StocktakeItem) -> Due:
    return Due(
        row.id,
        f"{row.site_name} {row.room}".strip(),
        f"未確認 {row.missing:,}台",
        "棚卸を続ける",
        f"/stocktakes?stocktake={row.id}",
        since=row.started_at,
    )


HOME = (
    State(
        key="loaners.loans",
        title="機器一覧",
        permission="loaners:device:read",
        address="/loaners",
        read=lambda db, _: lending.counts(db),
    ),
    DueList(
        key="loaners.overdue",
        title="返却待ち",
        permission="loaners:device:read",
        read=_overdue_loans,
        count=lambda db, _: lending.counts(db).overdue,
    ),
    DueList(key="loaners.stocktakes", title="棚卸", permission="loaners:stocktake:update", read=_open_stocktakes),
)
