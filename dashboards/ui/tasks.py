"""Long-running tasks, which go on without the page: their progress, and their actions.

A task of the service: `id`, `kind`, `title`, `state` (waiting, running, done, failed, cancelled), `percent` (0 to 100,
or None when the total is unknown), `message`, `error` (why it failed), `result_url`, `created_at`, `started_at`,
`finished_at`, `can_cancel`, `can_resume` (by the present user).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import PAGE_TIMEOUT_SECONDS, ApiProblem
from dashboards.contract.core import TASK_STATE, TaskAnswer
from dashboards.ui import feedback, times
from dashboards.ui.idempotency import button_idempotency_key
from dashboards.ui.links import link
from dashboards.ui.status import statuses
from dashboards.ui.text import plain, small

PATH = "/api/core/tasks"
POLL_SECONDS = 2
RUNNING = ("waiting", "running")
STATES = statuses(
    TASK_STATE,
    {
        "waiting": ("gray", "schedule"),
        "running": ("blue", "autorenew"),
        "done": ("green", "check_circle"),
        "failed": ("red", "error"),
        "cancelled": ("gray", "cancel"),
    },
)
SENTENCES = {
    "waiting": "順番を待っています。このページを離れても続きます。",
    "running": "このページを離れても続きます。",
    "done": "完了しました。",
    "failed": "途中で止まりました。",
    "cancelled": "中止しました。",
}


def progress(task_id: int | str, *, key: str) -> None:
    """Polls a task until it ends. `key` is unique in the page."""
    last: TaskAnswer | None = st.session_state.get(f"{key}.task")
    ended = last is not None and str(last["id"]) == str(task_id) and last["state"] not in RUNNING

    @st.fragment(run_every=None if ended else POLL_SECONDS)
    def follow() -> None:
        if st.session_state.pop(f"{key}.asked", False):
            st.rerun()  # The page may show the number of running tasks.
        previous: TaskAnswer | None = st.session_state.get(f"{key}.task")
        try:
            task: TaskAnswer = session.api(patience=PAGE_TIMEOUT_SECONDS).get(f"{PATH}/{task_id}")
        except ApiProblem as problem:
            if problem.status == 401 and session.has_ended():
                st.rerun()
            if previous is None or not problem.temporary:
                feedback.failed(problem, key=key)
            else:
                card(previous, key=key, problem=problem)
            return
        st.session_state[f"{key}.task"] = task
        card(task, key=key)
        if previous and previous["state"] in RUNNING and task["state"] not in RUNNING:
            session.require_fresh_reads()
            st.rerun()  # The task has ended, and the page may show its result.

    follow()


def card(task: Mapping[str, Any], *, key: str, problem: ApiProblem | None = None) -> None:
    """The state of a task; `problem`: why this is not the newest state."""
    state, percent = task["state"], task["percent"]
    status = STATES[state]
    with st.container(border=True, key=f"{key}.card"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f"**{plain(task['title'])}**　{status.badge()}", width="content")
            st.markdown(small(_time_text(task)), width="content")
        if state in RUNNING and percent is not None:
            st.progress(percent / 100, f"{percent:.0f}%")
        elif state == "running":
            st.skeleton(8)  # It moves without a percentage.
        message = task["error"] if state == "failed" and task["error"] else task["message"]
        texts: list[str] = [plain(message)] if message else [SENTENCES[state]]
        if task["message"] and state in RUNNING:
            texts.append(small(SENTENCES[state]))
        st.markdown("　".join(texts))
        if problem:
            st.markdown(
                ":orange[:material/sync_problem: 最新の状態を取得できません。処理は続いている可能性があります。]"
            )
        _buttons(task, key)


def _time_text(task: Mapping[str, Any]) -> str:
    if task["finished_at"]:
        return f"{times.stamp(task['finished_at'])} 終了"
    if task["started_at"]:
        return f"{times.stamp(task['started_at'])} 開始"
    return f"{times.stamp(task['created_at'])} 受付" if task["created_at"] else ""


def _buttons(task: Mapping[str, Any], key: str) -> None:
    action_problem: ApiProblem | None = st.session_state.get(f"{key}.refused")
    if action_problem:
        feedback.action_failed(action_problem)
    with st.container(horizontal=True):
        if task["can_cancel"]:
            _button("中止する", "cancel", "stop_circle", task, key)
        elif task["can_resume"]:
            _button("もう一度実行する", "resume", "replay", task, key)
        elif task["result_url"]:
            link("結果をダウンロード", task["result_url"], primary=True, download=True)


def _button(label: str, action: str, icon: str, task: Mapping[str, Any], key: str) -> None:
    st.button(label, key=f"{key}.{action}", icon=f":material/{icon}:", on_click=_send_action, args=(task, action, key))


def _send_action(task: Mapping[str, Any], action: str, key: str) -> None:
    st.session_state.pop(f"{key}.refused", None)
    path = f"{PATH}/{task['id']}/{action}"
    try:
        with button_idempotency_key(path) as idempotency_key:
            session.api().post(path, idempotency_key=idempotency_key)
            st.session_state.pop(f"{key}.task", None)  # So that it is polled again.
            st.session_state[f"{key}.asked"] = True
    except ApiProblem as problem:
        st.session_state[f"{key}.refused"] = problem
