"""Blocks that refresh themselves: one call per block, and the last answer stays while the service does not answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import PAGE_TIMEOUT_SECONDS, ApiProblem
from dashboards.settings import settings
from dashboards.ui import dialogs, feedback, heading, times
from dashboards.ui.text import small

LOADING_HEIGHT = 160
# When the service hangs, one block waits for it; the blocks that follow soon after share its failure.
FAILURE_SECONDS = 2
_FAILURE = "live.away"

refreshing = st.fragment(run_every=settings().refresh_seconds)
# For figures that change slowly.
KPI_SECONDS = 300
refreshing_figures = st.fragment(run_every=KPI_SECONDS)


# A path of the service, or a function called in its place.
Source = str | Callable[..., Any]


@dataclass(frozen=True)
class Snapshot:
    """The answer that a block shows, its query, its time, and the problem when there is no newer answer."""

    data: Any
    at: datetime
    problem: ApiProblem | None = None
    query: tuple[Source, dict[str, Any]] = ("", {})


def block(
    key: str,
    title: str,
    path: Source,
    *,
    headline: bool = False,
    left: Callable[[], object] | None = None,
    right: Callable[[], object] | None = None,
    **query: Any,
) -> Snapshot | None:
    """A title, the time of what is shown, and the answer to `path`, or the last one. `key` is unique in all pages.

    The `headline` is the page's first block: it has the page's title, and warns when the page is not up to date.
    `right` draws what stands at the end of the title's row: the page's primary action; `left` what stands in place of a
    title.
    None: there is nothing to show, and the reason is already on the screen.
    """
    dialogs.rerun_if_changed()
    slot = f"live.{key}"
    query_now = (path, query)
    previous: Snapshot | None = st.session_state.get(slot)
    # An answer to another query is no older version of this one.
    last_reading = previous if previous and previous.query == query_now else None
    updated = heading.row(title, of_page=headline, left=left, right=right)
    notice = st.empty()
    if headline:
        st.session_state[heading.TIMED] = True
    # A block without a title does not repeat the time next to the page's title.
    time_is_shown_above = not title and not headline and st.session_state.get(heading.TIMED, False)

    def show_time(reading: Snapshot) -> None:
        if reading.problem or not time_is_shown_above:
            updated.markdown(_updated(reading), width="content")
        else:
            updated.empty()
        if headline and reading.problem:
            with notice:
                feedback.stale(reading.at, reading.problem)

    if last_reading is not None:
        show_time(last_reading)  # Before the wait, so that nothing flickers and the warning does not fade.
    elif previous is None:
        notice.skeleton(LOADING_HEIGHT)
    try:
        reading = Snapshot(fetch(path, **query), times.now(), query=query_now)
    except ApiProblem as problem:
        if problem.status == 401 and session.has_ended():
            st.rerun()  # The frame shows that the session has ended.
        if last_reading is None or not (problem.temporary or session.is_over()):
            notice.empty()
            updated.empty()
            feedback.failed(problem, key=key, again=clear_failure)
            st.session_state[f"{slot}.refused"] = headline
            return None
        reading = replace(last_reading, problem=problem)
    else:
        notice.empty()
    st.session_state[slot] = reading
    if st.session_state.pop(f"{slot}.refused", False):
        st.rerun()  # The content below the heading was left out, and a refresh of the block alone does not draw it.
    show_time(reading)
    return reading


def last_answer(key: str) -> Any:
    """The answer that the block with this key showed last, or None."""
    reading: Snapshot | None = st.session_state.get(f"live.{key}")
    return reading.data if reading else None


def clear_failure() -> None:
    """For a user who retries: the next call goes to the service."""
    st.session_state.pop(_FAILURE, None)


def fetch(path: Source, **query: Any) -> Any:
    """The answer without a block; the page uses its time."""
    data = fetch_answer(path, **query)
    if "as_of" in data:
        times.use_service_clock(times.parse(data["as_of"]))
    return data


def fetch_answer(path: Source, **query: Any) -> Any:
    """Without taking over the service's time, for example for messages, which use the real time. Shortly after a call
    that got no answer, it raises the same problem without waiting again."""
    expires_at, failure = st.session_state.get(_FAILURE, (0.0, None))
    if time.monotonic() < expires_at:
        raise replace(failure)
    try:
        data = path(**query) if callable(path) else session.api(patience=PAGE_TIMEOUT_SECONDS).get(path, **query)
    except ApiProblem as problem:
        if problem.status == 0:
            st.session_state[_FAILURE] = (time.monotonic() + FAILURE_SECONDS, problem)
        raise
    return data


def _updated(reading: Snapshot) -> str:
    updated = f"最終更新 {times.clock(reading.at)}"
    if reading.problem:
        return f":orange[:small[:material/sync_problem: {updated}（更新できていません）]]"
    return small(updated)
