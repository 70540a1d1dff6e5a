"""処理状況: what becomes of the imports and exports that were started, one's own and, for an administrator, all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import PATIENCE_SECONDS, ApiProblem
from dashboards.session import may
from dashboards.ui import columns, details, dialogs, feedback, live, tables, tasks, times
from dashboards.ui.columns import Row
from dashboards.ui.live import refreshing

MINE, EVERYBODY = "自分の処理", "担当業務のすべての処理"
CARDS_SHOWN = 5
KEPT = timedelta(minutes=10)
KEY = "core.tasks"


def path() -> str:
    return f"{tasks.PATH}/everybody" if st.session_state.get("whose") == EVERYBODY else tasks.PATH


def whose() -> None:
    if may("core:task:read"):
        st.segmented_control(
            "表示する処理", [MINE, EVERYBODY], default=MINE, key="whose", required=True, label_visibility="collapsed"
        )


def headline() -> None:
    reading = live.block(f"{KEY}.open", "処理状況", path(), headline=True, right=whose, state="open", limit=CARDS_SHOWN)
    if reading is None:
        return
    still_open, total = reading.data["items"], reading.data["total"]
    if not total:
        st.markdown("実行中・待機中の処理はありません。")
        return
    running = sum(task["state"] == "running" for task in still_open)
    st.markdown(
        f"終わっていない処理が{total:,}件あります。" + (f"うち{running:,}件を実行しています。" if running else "")
    )


def cards() -> None:
    """Each follows itself until it ends, and stays for a while, so that its result is at hand."""
    shown = live.shown(f"{KEY}.open")
    still_open = [task["id"] for task in shown["items"]] if shown else []
    followed = still_open + [number for number in st.session_state.get(f"{KEY}.followed", []) if just_ended(number)]
    st.session_state[f"{KEY}.followed"] = list(dict.fromkeys(followed))[:CARDS_SHOWN]
    for number in st.session_state[f"{KEY}.followed"]:
        tasks.progress(number, key=f"{KEY}.{number}")


def just_ended(number: int) -> bool:
    """Of a task that was followed here. What is not known to have ended is about to be seen to."""
    last = st.session_state.get(f"{KEY}.{number}.task")
    if last is None or last["finished_at"] is None:
        return True
    return times.now() - times.parse(last["finished_at"]) < KEPT


def drawer(chosen: Row) -> None:
    """All of it, beside the list, with what can be done about it."""

    @dialogs.dialog(str(chosen["title"])[:60], position="right", width="small", icon=":material/task:")
    def show() -> None:
        try:
            task = session.api(patience=PATIENCE_SECONDS).get(f"{tasks.PATH}/{chosen['id']}")
        except ApiProblem as problem:
            feedback.failed(problem, key=f"{KEY}.drawer")
            return
        tasks.card(task, key=f"{KEY}.drawer.{task['id']}")
        details.facts(facts(task))

    show()


def facts(task: dict[str, Any]) -> dict[str, str]:
    def when(field: str) -> str:
        return times.full(times.parse(task[field])) if task[field] else ""

    counted = {word: f"{number:,}" for word, number in task["figures"].items()}
    return {
        "処理番号": str(task["id"]),
        "始めた人": task["started_by"],
        "受付": when("created_at"),
        "開始": when("started_at"),
        "終了": when("finished_at"),
        **counted,
    }


def percent(task: Row) -> str:
    if task["state"] == "running":
        return f"{task['percent']}%" if task["percent"] is not None else "実行中"
    return "100%" if task["state"] == "done" else "–"


COLUMNS = (
    columns.text("処理", "title", width=250),
    columns.badge("状態", "state", tasks.STATES, width=86),
    columns.text("進み具合", percent, width=76),
    columns.text("内容", lambda task: task["error"] or task["message"], width=250),
    columns.text("始めた人", "started_by", width=96),
    columns.stamp("受付", "created_at"),
)
NOTHING = tables.Empty("まだ処理はありません", "一覧の出力や取り込みを始めると、ここで進み具合と結果を確認できます。")


@refreshing
def listed() -> None:
    actions: dict[str, Callable[[Row], None]] = {"詳細": drawer}
    tables.table(f"{KEY}.list", "履歴", path(), COLUMNS, actions=actions, empty=NOTHING)


headline()
cards()
listed()
