"""Exporting a list as CSV or Excel, with the page's filters and order.

The download starts at once. A list too long for Excel at once is written by a task, whose progress is shown in a
dialog.
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
from dashboards.ui.idempotency import button_idempotency_key
from dashboards.ui.links import link
from dashboards.ui.text import small

PATH = "/api/core/exports"
# The service's limit for a direct download (`service/core/exports/answers.py`).
MOST_EXCEL_ROWS = 10_000


@dataclass(frozen=True)
class Export:
    """Download URLs under our own origin; `key` is the service's name of the list (fleet.terminals), for the export
    task."""

    csv: str
    excel: str = ""
    key: str = ""

    @classmethod
    def of(cls, path: str) -> Export:
        """For the list at /api/fleet/terminals, which the service calls fleet.terminals."""
        return cls(f"{DOWNLOAD}{path}.csv", f"{DOWNLOAD}{path}.xlsx", path.removeprefix("/api/").replace("/", "."))


def menu(key: str, export: Export, query: Mapping[str, Any], total: int, counter: str, *, narrowed: bool) -> None:
    """`query`: the filters and the order of the list."""
    with st.popover("出力する", icon=":material/download:", key=f"{key}.export"):
        selection = f"条件に合う{total:,}{counter}" if narrowed else f"全{total:,}{counter}"
        st.markdown(f"{selection}を、画面の並び順で出力します。")
        with st.container(horizontal=True):
            link("CSVで出力", _with_query(export.csv, query), download=True)
            if export.excel and total <= MOST_EXCEL_ROWS:
                link("Excelで出力", _with_query(export.excel, query), download=True)
            elif export.key:
                st.button(
                    "Excelを作成する", key=f"{key}.export.excel", on_click=_start_task, args=(export.key, dict(query))
                )
        if export.key and total > MOST_EXCEL_ROWS:
            st.markdown(small(f"{MOST_EXCEL_ROWS:,}{counter}を超えるExcelは、少し時間をかけて作成します。"))
        elif export.excel and total > MOST_EXCEL_ROWS:
            st.markdown(small(f"Excelは{MOST_EXCEL_ROWS:,}{counter}までです。条件で絞り込むと出力できます。"))


def _with_query(address: str, query: Mapping[str, Any]) -> str:
    return f"{address}?{urlencode(query, doseq=True)}" if query else address


def _start_task(list_key: str, query: dict[str, Any]) -> None:
    try:
        with button_idempotency_key(f"{PATH} {list_key} {query}") as idempotency_key:
            task = session.api().post(
                PATH, {"list": list_key, "format": "xlsx", "filters": query}, idempotency_key=idempotency_key
            )
            dialogs.open(_dialog, partial(_show_progress, task["id"]))
    except ApiProblem as problem:
        dialogs.open(_dialog, partial(feedback.action_failed, problem))


def _dialog(body: Callable[[], None]) -> None:
    dialogs.dialog("Excelで出力する", icon=":material/download:")(body)()


def _show_progress(task_id: int) -> None:
    tasks.progress(task_id, key="exports.task")
    st.markdown(small("この画面を閉じても作成は続きます。できたファイルは「処理状況」からもダウンロードできます。"))
