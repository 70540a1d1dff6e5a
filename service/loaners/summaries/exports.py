"""Exports of the summary and of the differences."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from service.core.database.session import Db
from service.core.exports.cells import Cell
from service.core.exports.declared import ExportList
from service.loaners.lists.exports import Table
from service.loaners.rules import DEPOSIT_LABELS, HELD_LABELS, STATUS_LABELS, Deposit, Status
from service.loaners.summaries import queries, schemas

# Empty: no list here can be exported by one SELECT.
EXPORTS: tuple[ExportList, ...] = ()
DIFFERENCE_HEADER = (
    "拠点管理番号",
    "機器種別",
    "機種名",
    "拠点（前）",
    "拠点（後）",
    "0-4.ステータス（前）",
    "0-4.ステータス（後）",
    "1-4.ユーザー機の預り有無（前）",
    "1-4.ユーザー機の預り有無（後）",
    "預り機のステータス（前）",
    "預り機のステータス（後）",
)


def summary(db: Db, filters: Annotated[schemas.SummaryFilters, Query()]) -> Table:
    """In the layout of the document's sheet: the cards one below the other, a row for each site, then the total."""
    data = queries.summary(db, filters)
    header = ["サマリーカテゴリ", "拠点", *data.groups, "合計"]
    rows: list[list[Cell]] = []
    for card in (*data.cards, data.unset):
        rows += [[card.title, row.site_name, *row.counts, row.total] for row in card.rows]
        rows.append([card.title, "合計", *card.totals, card.total])
    return Table("サマリー", "view", header, rows, filters.model_dump(mode="json", exclude_defaults=True))


def differences(db: Db, filters: Annotated[schemas.DifferenceFilters, Query()]) -> Table:
    rows = (
        _difference(schemas.Difference(**row)) for row in db.execute(queries.all_differences(db, filters)).mappings()
    )
    audit_filters = filters.model_dump(mode="json", exclude_defaults=True)
    return Table("機器の差分", "device", DIFFERENCE_HEADER, rows, audit_filters)


def _difference(row: schemas.Difference) -> list[str]:
    return [
        row.number,
        row.kind.label,
        row.model_name,
        row.before_site or "",
        row.site,
        _status(row.before_status, bool(row.before_archived)),
        _status(row.status, row.archived),
        "" if row.before_held is None else HELD_LABELS[row.before_held],
        "" if row.held is None else HELD_LABELS[row.held],
        _deposit(row.before_deposit),
        _deposit(row.deposit),
    ]


def _status(status: Status | None, archived: bool) -> str:
    return "無効" if archived else STATUS_LABELS[status] if status else ""


def _deposit(deposit: Deposit | None) -> str:
    return DEPOSIT_LABELS[deposit].title if deposit else ""
