"""監査: what an auditor checks on terminals and printers, by 管轄."""

from __future__ import annotations

import streamlit as st

from dashboards.loaners import lists, words
from dashboards.ui import filters, live, tables
from dashboards.ui.live import refreshing

KEY = "loaners.audit"
VIEW = "AUDIT"


@refreshing
def headline() -> None:
    reading = live.block(f"{KEY}_headline", "監査", f"{lists.PATH}/{VIEW}", headline=True, limit=1)
    if reading is None:
        return
    total = reading.data["total"]
    st.markdown(
        f"監査の対象は、端末とプリンタをあわせて**{total:,}台**です。機器ごとに最新の内容を表示します。"
        if total
        else "監査の対象となる端末・プリンタは、まだ登録されていません。"
    )


@refreshing
def show_list(chosen: filters.Filters) -> None:
    lists.show(
        KEY,
        VIEW,
        chosen,
        empty=tables.Empty("監査の対象となる機器がありません", "端末またはプリンタを登録すると、ここに並びます。"),
    )


headline()
with st.container(border=True):
    selected = filters.bar(
        lists.jurisdiction_field(),
        lists.site_field(110),
        filters.Choice("status", "ステータス", {code: status.label for code, status in words.STATUS.items()}, 160),
        filters.Text("q", "キーワード", "番号・資産番号・貸出先", width=180),
        lists.day_field(),
        more=(filters.Choice("archived", "表示", {"true": "無効な機器"}, 240, otherwise="有効な機器"),),
    )
show_list(selected)
