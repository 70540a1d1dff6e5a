"""What changed between two days: a part of 機器一覧."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from dashboards.addresses import DOWNLOAD
from dashboards.contract.loaners import KIND, Difference
from dashboards.loaners import lists, words
from dashboards.ui import columns, dialogs, filters, tables, times
from dashboards.ui.exports import Export
from dashboards.ui.live import refreshing
from dashboards.ui.text import plain

PATH = "/api/loaners/differences"
MONTH = timedelta(days=30)
SORTS = {"number": "拠点管理番号順", "-number": "拠点管理番号の逆順", "site": "拠点順"}


def status(code: int | None, archived: bool | None) -> str:
    return "無効" if archived else words.status(code).label


def deposit(code: int | None, held: bool | None, status_code: int | None) -> str:
    """While no user's machine is held, lists do not show it."""
    is_held = held and status_code == words.LENT
    return words.DEPOSIT_CLASSES[code] if code else words.UNSET.label if is_held else "なし"


def change(before: str | None, after: str, prefix: str = "") -> str:
    return "" if before == after else f"{prefix}{before} → {after}"


def describe_changes(row: Difference) -> str:
    """All changes of a row as one text."""
    if not row["was_known"]:
        return f"新しく登録（{row['site']}、{status(row['status'], row['archived'])}）"
    parts = (
        change(row["before_site"], row["site"]),
        change(status(row["before_status"], row["before_archived"]), status(row["status"], row["archived"])),
        change(
            deposit(row["before_deposit"], row["before_held"], row["before_status"]),
            deposit(row["deposit"], row["held"], row["status"]),
            "預り機: ",
        ),
    )
    return "、".join(part for part in parts if part) or "ユーザー機の預り有無が変わりました"


COLUMNS = (
    columns.text("拠点管理番号", "number", width=345, sort="number"),
    columns.text("機器種別", lambda row: KIND[row["kind"]], width=68),
    columns.text("機種名", "model_name", width=146),
    columns.text("拠点", "site", width=55, sort="site"),
    columns.text("変わったこと", describe_changes, width=410),
)


def section() -> None:
    today = times.now().date()
    with st.container(border=True):
        chosen = filters.bar(
            filters.Day("since", "前の日", today - MONTH, 140),
            filters.Day("until", "後の日", today, 140),
            lists.site_field(),
            lists.jurisdiction_field(),
            lists.kind_field(),
            prefix="diff_",
        )
    days = {
        name: chosen.query.pop(name, default.isoformat())
        for name, default in (("since", today - MONTH), ("until", today))
    }
    show_list(filters.Filters(chosen.query | days, chosen.active, chosen.hits))


@refreshing
def show_list(chosen: filters.Filters) -> None:
    tables.table(
        "loaners.differences",
        "",
        PATH,
        COLUMNS,
        counter="台",
        sorts=SORTS,
        sort_name="diff_sort",
        filters=chosen,
        actions={"詳細": drawer},
        export=Export(f"{DOWNLOAD}{PATH}.csv", f"{DOWNLOAD}{PATH}.xlsx"),
        empty=tables.Empty("この期間に変わった機器はありません", "日付を変えると、その間の違いが表示されます。"),
    )


def drawer(row: Difference) -> None:
    @dialogs.dialog(row["number"], position="right", width="small", icon=":material/difference:")
    def show() -> None:
        st.markdown(plain(describe_changes(row)))
        lists.device_links(row["number"])

    show()
