"""Blocks that refresh themselves: one call per block, and the last good answer stays while the service is silent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import PATIENCE_SECONDS, ApiProblem
from dashboards.settings import settings
from dashboards.ui import dialogs, feedback, heading, times
from dashboards.ui.text import small

LOADING_HEIGHT = 160
# One block waits for a service that hangs; those whose turn comes just after it share its failure.
SHARED_SECONDS = 2
_AWAY = "live.away"

refreshing = st.fragment(run_every=settings().refresh_seconds)
# For figures, which nobody watches by the second.
KPI_SECONDS = 300
refreshing_figures = st.fragment(run_every=KPI_SECONDS)


# A path of the service, or a function that answers in its place.
Source = str | Callable[..., Any]


@dataclass(frozen=True)
class Reading:
    """What a block shows: the answer to a query, when it was given, and why there is no newer one, if there is none."""

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
) -> Reading | None:
    """A title, the time of what is shown, and the answer to `path` or the last one; `key` is unique in all pages.

    The `headline` is the page's first block: it has the page's title, and says it when the page is not up to date.
    `right` draws what stands at the end of the title's row: the page's one primary action; `left` what stands in place
    of a title.
    None: there is nothing to show, and the reason is already on the screen.
    """
    dialogs.leave()
    slot = f"live.{key}"
    asked = (path, query)
    earlier: Reading | None = st.session_state.get(slot)
    # Rows of another page or filter are no older state of this one.
    last = earlier if earlier and earlier.query == asked else None
    updated = heading.row(title, of_page=headline, left=left, right=right)
    notice = st.empty()
    if headline:
        st.session_state[heading.TIMED] = True
    # What has no title of its own is what the page is about: beside the page's title it is said once.
    is_said = not title and not headline and st.session_state.get(heading.TIMED, False)

    def say(reading: Reading) -> None:
        if reading.problem or not is_said:
            updated.markdown(_updated(reading), width="content")
        else:
            updated.empty()
        if headline and reading.problem:
            with notice:
                feedback.stale(reading.at, reading.problem)

    if last is not None:
        say(last)  # Already before the wait, so that nothing flickers and the warning does not fade.
    elif earlier is None:
        notice.skeleton(LOADING_HEIGHT)
    try:
        reading = Reading(ask(path, **query), times.now(), query=asked)
    except ApiProblem as problem:
        if problem.status == 401 and session.ended():
            st.rerun()  # The frame knows how to say it, and the way back.
        if last is None or not (problem.temporary or session.is_over()):
            notice.empty()
            updated.empty()
            feedback.failed(problem, key=key, again=forget_failure)
            st.session_state[f"{slot}.refused"] = headline
            return None
        reading = replace(last, problem=problem)
    else:
        notice.empty()
    st.session_state[slot] = reading
    if st.session_state.pop(f"{slot}.refused", False):
        st.rerun()  # What stands below the head was left out, and a refresh of the block alone does not draw it.
    say(reading)
    return reading


def shown(key: str) -> Any:
    """The answer that the block of this key showed last, or None."""
    reading: Reading | None = st.session_state.get(f"live.{key}")
    return reading.data if reading else None


def forget_failure() -> None:
    """A person who asks again gets an answer of her own."""
    st.session_state.pop(_AWAY, None)


def ask(path: Source, **query: Any) -> Any:
    """The answer alone, for what is no block; the page goes by its time."""
    data = answer(path, **query)
    if "as_of" in data:
        times.follow(times.parse(data["as_of"]))
    return data


def answer(path: Source, **query: Any) -> Any:
    """For what is not of the page, whose time may be another one: messages go by the real time. Whoever comes just
    after a service that hangs does not wait again."""
    until, failure = st.session_state.get(_AWAY, (0.0, None))
    if time.monotonic() < until:
        raise replace(failure)
    try:
        data = path(**query) if callable(path) else session.api(patience=PATIENCE_SECONDS).get(path, **query)
    except ApiProblem as problem:
        if problem.status == 0:
            st.session_state[_AWAY] = (time.monotonic() + SHARED_SECONDS, problem)
        raise
    return data


def _updated(reading: Reading) -> str:
    updated = f"最終更新 {times.clock(reading.at)}"
    if reading.problem:
        return f":orange[:small[:material/sync_problem: {updated}（更新できていません）]]"
    return small(updated)
