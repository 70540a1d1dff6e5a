"""貸出状況: who has what, since when, what is overdue, and which loans look forgotten."""

from __future__ import annotations

from datetime import date

import streamlit as st

from dashboards.addresses import DOWNLOAD
from dashboards.contract import loaners as contract
from dashboards.loaners import lists, words
from dashboards.ui import columns, dialogs, figures, filters, live, tables
from dashboards.ui.exports import Export
from dashboards.ui.figures import Figure
from dashboards.ui.live import refreshing
from dashboards.ui.status import statuses
from dashboards.ui.text import plain

PATH = "/api/loaners/loans"
KEY = "loaners.loans"
SORTS = {
    "due_on": "返却予定日の早い順",
    "-due_on": "返却予定日の遅い順",
    "since": "貸出の長い順",
    "-since": "貸出の短い順",
    "last_at": "更新の古い順",
    "-last_at": "更新の新しい順",
    "site": "拠点順",
    "number": "拠点管理番号順",
    "borrower": "貸出先順",
}
STALE = statuses(
    contract.STALE,
    {
        "returnable": ("orange", "hourglass_bottom"),
        "unset": ("orange", "help"),
        "inactive_site": ("red", "domain_disabled"),
        "silent": ("gray", "schedule"),
    },
)


@refreshing
def headline() -> None:
    reading = live.block(f"{KEY}_counts", "貸出状況", f"{PATH}/counts", headline=True)
    if reading is None:
        return
    counts: contract.LoanCounts = reading.data
    st.markdown(sentence(counts))
    stale = counts["stale"]
    figures.row(
        [
            Figure("貸出中", f"{counts['total']:,}台"),
            Figure("返却予定日を過ぎた", f"{counts['overdue']:,}台", f"最長 {counts['oldest']:,}日超過"),
            Figure("もうすぐ返却予定日", f"{counts['soon']:,}台", f"{counts['soon_days']}日以内"),
            Figure("返却可能のまま", f"{stale['returnable']:,}台", f"{counts['returnable_days']}日を超えたもの"),
            Figure("ステータス未設定", f"{stale['unset']:,}台", "預り有りのもの"),
            Figure("更新なし", f"{stale['silent']:,}台", f"{counts['silent_days']}日を超えたもの"),
        ],
        faded=reading.problem is not None,
    )


def sentence(counts: contract.LoanCounts) -> str:
    if not counts["total"]:
        return "現在、貸出中の機器はありません。"
    inactive_count = counts["stale"]["inactive_site"]
    site = f"無効な拠点の貸出が**{inactive_count:,}台**あります。" if inactive_count else ""
    if counts["overdue"]:
        return (
            f"貸出中の{counts['total']:,}台のうち、**{counts['overdue']:,}台**が返却予定日を過ぎています。"
            f"最も長いものは{counts['oldest']:,}日です。{site}"
        )
    return f"貸出中の機器は{counts['total']:,}台です。返却予定日を過ぎたものはありません。{site}"


def due(row: contract.LoanItem) -> str:
    if row["due_on"] is None or row["overdue"] is None:
        return "未登録"
    days_left = -row["overdue"]
    remaining = f"{-days_left:,}日超過" if days_left < 0 else "本日" if days_left == 0 else f"あと{days_left:,}日"
    return f"{date.fromisoformat(row['due_on']):%Y/%m/%d}（{remaining}）"


def deposit(row: contract.LoanItem) -> str:
    if row["deposit"]:
        return words.DEPOSIT[row["deposit"]].label
    return words.UNSET.label if row["held"] else "預りなし"


def deposit_class(row: contract.LoanItem) -> str:
    return words.DEPOSIT_CLASSES[row["deposit"]] if row["deposit"] else deposit(row)


COLUMNS = (
    columns.text("拠点管理番号", "number", width=345, sort="number"),
    columns.text("貸出先", "borrower", width=150, sort="borrower"),
    columns.text("返却予定日", due, width=150, sort="due_on"),
    columns.number("貸出日数", "days", width=72, sort="since"),
    columns.badges("注意", lambda row: row["stale"], STALE, width=125),
    columns.text("預り機のステータス", deposit_class, width=125),
    columns.text("拠点", "site_name", width=55, sort="site"),
)


def drawer(row: contract.LoanItem) -> None:
    @dialogs.dialog(row["number"], position="right", width="small", icon=":material/assignment_return:")
    def show() -> None:
        st.markdown(f"**{plain(row['borrower'] or '貸出先未登録')}** へ貸出中（{row['days']:,}日）")
        for kind in row["stale"]:
            st.markdown(STALE[kind].badge())
        lists.device_links(row["number"])
        facts = {
            "機種名": row["model_name"],
            "貸出番号": row["loan_number"],
            "貸出開始": words.timestamp(row["since"]),
            "返却予定日": due(row),
            "預り機のステータス": deposit(row),
            "拠点": f"{row['site_name']}（{row['jurisdiction']}）",
            "最終更新": words.timestamp(row["last_at"]),
            "最後の案内メール": words.timestamp(row["reminded_at"]) if row["reminded_at"] else "まだ送っていません",
        }
        for title, value in facts.items():
            left, right = st.columns([2, 3])
            left.markdown(f":gray[{title}]")
            right.markdown(plain(value) if value else ":gray[–]")

    show()


@refreshing
def show_list(chosen: filters.Filters) -> None:
    tables.table(
        KEY,
        "",
        PATH,
        COLUMNS,
        counter="台",
        sorts=SORTS,
        filters=chosen,
        actions={"詳細": drawer},
        id_field="device_id",
        export=Export(f"{DOWNLOAD}{PATH}.csv", f"{DOWNLOAD}{PATH}.xlsx"),
        empty=tables.Empty(
            "貸出中の機器はありません", "ステータス登録で「1.貸出中」を登録すると、返却予定日の早い順に並びます。"
        ),
    )


headline()
with st.container(border=True):
    selected = filters.bar(
        filters.Choice("state", "返却予定日", contract.DUE_STATE, 140),
        filters.Choice("stale", "注意", STALE, 150),
        lists.site_field(110),
        lists.jurisdiction_field(100),
        lists.kind_field(100),
        filters.Text("q", "キーワード", "番号・貸出先・貸出番号", width=170),
    )
show_list(selected)
