"""Blocks that refresh themselves: one call per block, and the last good answer stays while the service is silent."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.ui import feedback, times
from dashboards.ui.text import small

LOADING_HEIGHT = 160
# Streamlit fades what is on the screen while it waits, and the next refresh is due soon.
PATIENCE_SECONDS = 4
# One block waits for a service that hangs; those whose turn comes just after it share its failure.
SHARED_SECONDS = 2
_AWAY = "live.away"


@dataclass(frozen=True)
class Reading:
    """What a block shows: the answer, when it was given, and why there is no newer one, if there is none."""

    data: Any
    at: datetime
    problem: ApiProblem | None = None


def block(key: str, title: str, path: str, *, headline: bool = False, **query: Any) -> Reading | None:
    """A title, the time of what is shown, and the answer to `path` or the last one; `key` is unique in all pages.

    The `headline` is the page's first block: it has the page's title, and says it when the page is not up to date.
    None: there is nothing to show, and the reason is already on the screen.
    """
    slot = f"live.{key}"
    last: Reading | None = st.session_state.get(slot)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        (st.title if headline else st.subheader)(title, anchor=False, width="content")
        updated = st.empty()
    notice = st.empty()

    def say(reading: Reading) -> None:
        updated.markdown(_updated(reading), width="content")
        if headline and reading.problem:
            with notice:
                feedback.stale(reading.at, reading.problem)

    if last is None:
        notice.skeleton(LOADING_HEIGHT)
    else:
        say(last)  # Already before the wait, so that nothing flickers and the warning does not fade.
    try:
        reading = _read(path, query, shared=last is not None)
    except ApiProblem as problem:
        if problem.status == 401 and session.ended():
            st.rerun()  # The frame knows how to say it, and the way back.
        if last is None or not problem.temporary:
            notice.empty()
            updated.empty()
            feedback.failed(problem, key=key)
            return None
        reading = replace(last, problem=problem)
    else:
        notice.empty()
    st.session_state[slot] = reading
    say(reading)
    return reading


def _read(path: str, query: dict[str, Any], *, shared: bool) -> Reading:
    until, failure = st.session_state.get(_AWAY, (0.0, None))
    if shared and time.monotonic() < until:
        raise replace(failure)
    try:
        data = session.api(patience=PATIENCE_SECONDS).get(path, **query)
    except ApiProblem as problem:
        if problem.status == 0:
            st.session_state[_AWAY] = (time.monotonic() + SHARED_SECONDS, problem)
        raise
    if "as_of" in data:
        times.follow(times.parse(data["as_of"]))
    return Reading(data, times.now())


def _updated(reading: Reading) -> str:
    updated = f"最終更新 {times.clock(reading.at)}"
    if reading.problem:
        return f":orange[:small[:material/sync_problem: {updated}（更新できていません）]]"
    return small(updated)
