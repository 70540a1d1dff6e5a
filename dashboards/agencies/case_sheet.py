"""投入用シート: the value of each field of the carrier's screen, in the order of its pages, to be copied one by one."""

from __future__ import annotations

from itertools import groupby

import streamlit as st

from dashboards import session
from dashboards.addresses import DOWNLOAD
from dashboards.client import ApiProblem
from dashboards.contract.agencies import EntryItem
from dashboards.ui import dialogs, feedback
from dashboards.ui.links import link
from dashboards.ui.text import plain, small


def show(path: str, name: str) -> None:
    """`path` is the site's."""

    @dialogs.dialog(f"投入用シート　{name}", width="large", icon=":material/content_paste:")
    def sheet() -> None:
        try:
            items: list[EntryItem] = session.api().get(f"{path}/entry")["items"]
        except ApiProblem as problem:
            feedback.failed(problem, key="case.sheet")
            return
        pages = {page: [*rows] for page, rows in groupby(items, key=lambda row: row["page"])}
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
            chosen = st.segmented_control(
                "キャリア管理画面のページ", [*pages], default=[*pages][-1] if pages else None, key="case.sheet.page"
            )
            with st.container(horizontal=True, width="content"):
                link("CSVで保存する", f"{DOWNLOAD}{path}/entry.csv", download=True)
                link("Excelで保存する", f"{DOWNLOAD}{path}/entry.xlsx", download=True)
        st.markdown(
            small(
                "値の右端のボタンでコピーできます。保存していない入力は含まれません。カード情報は法人詳細で確認します。"
            )
        )
        for row in pages.get(chosen or "", ()):
            left, right = st.columns([5, 6], vertical_alignment="center")
            meaning = f"　{plain(row['words'])}" if row["words"] else ""
            left.markdown(f"{plain(row['title'])}  \n" + small(f"{plain(row['carrier_field'])}{meaning}"))
            if row["value"]:
                right.code(row["value"], language=None, wrap_lines=True)
            else:
                right.markdown(small("（空欄）"))

    sheet()
