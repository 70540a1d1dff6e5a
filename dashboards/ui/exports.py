"""Taking a list along: what the page's conditions leave of it, in its order, as CSV or Excel.

Both come at once. A list that is too long for that as Excel is written by a task, which is followed in a dialog.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from dashboards import session
from dashboards.addresses import DOWNLOAD
from dashboards.client import ApiProblem
from dashboards.ui import dialogs, feedback, tasks
from dashboards.ui.links import link
from dashboards.ui.once import pressed
from dashboards.ui.text import small

PATH = "/api/core/exports"
# The service's limit for an answer at once (`service/core/exports/answers.py`).
MOST_EXCEL_ROWS = 10_000
FOR_EXCEL = "CSVをExcelで直接開くと、先頭の0や桁の多い番号が変わります。Excelで使うときは、Excelで出力してください。"


@dataclass(frozen=True)
class Export:
    """Downloads under our own origin; `key` is the service's name of the list (fleet.terminals), for a task."""

    csv: str
    excel: str = ""
    key: str = ""

    @classmethod
    def of(cls, path: str) -> Export:
        """Of the list at /api/fleet/terminals, which the service calls fleet.terminals."""
        return cls(f"{DOWNLOAD}{path}.csv", f"{DOWNLOAD}{path}.xlsx", path.removeprefix("/api/").replace("/", "."))


def menu(key: str, export: Export, query: Mapping[str, Any], total: int, counter: str, *, narrowed: bool) -> None:
    """`query`: the conditions and the order, as the list itself was asked with."""
    with st.popover("出力する", icon=":material/download:", key=f"{key}.export"):
        which = f"条件に合う{total:,}{counter}" if narrowed else f"全{total:,}{counter}"
        st.markdown(f"{which}を、画面の並び順で出力します。")
        with st.container(horizontal=True):
            link("CSVで出力", _with(export.csv, query), download=True)
            if export.excel and total <= MOST_EXCEL_ROWS:
                link("Excelで出力", _with(export.excel, query), download=True)
            elif export.key:
                st.button("Excelを作成する", key=f"{key}.export.excel", on_click=_start, args=(export.key, dict(query)))
        if export.excel or export.key:
            st.markdown(small(FOR_EXCEL))
        if export.key and total > MOST_EXCEL_ROWS:
            st.markdown(small(f"{MOST_EXCEL_ROWS:,}{counter}を超えるExcelは、少し時間をかけて作成します。"))
        elif export.excel and total > MOST_EXCEL_ROWS:
            st.markdown(small(f"Excelは{MOST_EXCEL_ROWS:,}{counter}までです。条件で絞り込むと出力できます。"))


def _with(address: str, query: Mapping[str, Any]) -> str:
    return f"{address}?{urlencode(query, doseq=True)}" if query else address


def _start(listed: str, query: dict[str, Any]) -> None:
    try:
        with pressed(f"{PATH} {listed} {query}") as once:
            task = session.api().post(PATH, {"list": listed, "format": "xlsx", "filters": query}, once=once)
            dialogs.open(_dialog, partial(_follow, task["id"]))
    except ApiProblem as problem:
        dialogs.open(_dialog, partial(feedback.not_done, problem))


def _dialog(body: Callable[[], None]) -> None:
    dialogs.dialog("Excelで出力する", icon=":material/download:")(body)()


def _follow(task_id: int) -> None:
    tasks.progress(task_id, key="exports.task")
    st.markdown(small("この画面を閉じても作成は続きます。できたファイルは「処理状況」からもダウンロードできます。"))
