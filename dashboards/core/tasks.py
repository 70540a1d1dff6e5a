"""処理状況: the imports and exports that were started: one's own and, for an administrator, all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import streamlit as st

from dashboards import session
from dashboards.client import PAGE_TIMEOUT_SECONDS, ApiProblem
from dashboards.contract.core import PageTaskAnswer, TaskAnswer
from dashboards.session import has_permission
from dashboards.ui import columns, details, dialogs, feedback, live, tables, tasks, times
from dashboards.ui.live import refreshing

OWN_TASKS, ALL_TASKS = "自分の処理", "担当業務のすべての処理"
CARDS_SHOWN = 5
SHOWN_AFTER_END = timedelta(minutes=10)
KEY = "core.tasks"


def list_path() -> str:
    return f"{tasks.PATH}/everybody" if st.session_state.get("whose") == ALL_TASKS else tasks.PATH


def owner_choice() -> None:
    if has_permission("core:task:read"):
        st.segmented_control(
            "表示する処理",
            [OWN_TASKS, ALL_TASKS],
            default=OWN_TASKS,
            key="whose",
            required=True,
            label_visibility="collapsed",
        )


def headline() -> None:
    reading = live.block(
        f"{KEY}.open", "処理状況", list_path(), headline=True, right=owner_choice, state="open", limit=CARDS_SHOWN
    )
    if reading is None:
        return
    page: PageTaskAnswer = reading.data
    open_tasks, total = page["items"], page["total"]
    if not total:
        st.markdown("実行中・待機中の処理はありません。")
        return
    running = sum(task["state"] == "running" for task in open_tasks)
    st.markdown(
        f"終わっていない処理が{total:,}件あります。" + (f"うち{running:,}件を実行しています。" if running else "")
    )


def draw_cards() -> None:
    """Each card polls its task until it ends, and stays for a while with the result."""
    open_tasks: PageTaskAnswer | None = live.last_answer(f"{KEY}.open")
    still_open = [task["id"] for task in open_tasks["items"]] if open_tasks else []
    followed = still_open + [task_id for task_id in st.session_state.get(f"{KEY}.followed", []) if is_recent(task_id)]
    st.session_state[f"{KEY}.followed"] = list(dict.fromkeys(followed))[:CARDS_SHOWN]
    for task_id in st.session_state[f"{KEY}.followed"]:
        tasks.progress(task_id, key=f"{KEY}.{task_id}")


def is_recent(task_id: int) -> bool:
    """Whether a task that was followed here still runs or has just ended; a task whose end is unknown counts as
    running."""
    last: TaskAnswer | None = st.session_state.get(f"{KEY}.{task_id}.task")
    if last is None or last["finished_at"] is None:
        return True
    return times.now() - times.parse(last["finished_at"]) < SHOWN_AFTER_END


def drawer(row: TaskAnswer) -> None:
    """The whole task next to the list, with its actions."""

    @dialogs.dialog(str(row["title"])[:60], position="right", width="small", icon=":material/task:")
    def show() -> None:
        try:
            task: TaskAnswer = session.api(patience=PAGE_TIMEOUT_SECONDS).get(f"{tasks.PATH}/{row['id']}")
        except ApiProblem as problem:
            feedback.failed(problem, key=f"{KEY}.drawer")
            return
        tasks.card(task, key=f"{KEY}.drawer.{task['id']}")
        details.facts(facts(task))

    show()


def facts(task: TaskAnswer) -> dict[str, str]:
    counts = {label: f"{number:,}" for label, number in task["figures"].items()}
    return {
        "処理番号": str(task["id"]),
        "始めた人": task["started_by"],
        "受付": times.stamp(task["created_at"]),
        "開始": times.stamp(task["started_at"]),
        "終了": times.stamp(task["finished_at"]),
        **counts,
    }


def percent_text(task: TaskAnswer) -> str:
    if task["state"] == "running":
        return f"{task['percent']}%" if task["percent"] is not None else "実行中"
    return "100%" if task["state"] == "done" else "–"


COLUMNS = (
    columns.text("処理", "title", width=250),
    columns.badge("状態", "state", tasks.STATES, width=86),
    columns.text("進み具合", percent_text, width=76),
    columns.text("内容", lambda task: task["error"] or task["message"], width=250),
    columns.text("始めた人", "started_by", width=96),
    columns.stamp("受付", "created_at"),
)
EMPTY = tables.Empty("まだ処理はありません", "一覧の出力や取り込みを始めると、ここで進み具合と結果を確認できます。")


@refreshing
def draw_list() -> None:
    actions: dict[str, Callable[[TaskAnswer], None]] = {"詳細": drawer}
    tables.table(f"{KEY}.list", "履歴", list_path(), COLUMNS, actions=actions, empty=EMPTY)


headline()
draw_cards()
draw_list()
