"""Blocks that refresh themselves: one call per block, and the last good answer stays while the service is silent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.ui import feedback, times
from dashboards.ui.text import small

LOADING_HEIGHT = 160


@dataclass(frozen=True)
class Reading:
    """What a block shows: the answer, when it was given, and why there is no newer one, if there is none."""

    data: Any
    at: datetime
    problem: ApiProblem | None = None


def block(
    key: str, title: str, load: Callable[[], Any], *, heading: Callable[..., Any] = st.subheader
) -> Reading | None:
    """A title, the time of what is shown, and the answer of `load` or the last one; `key` is unique in all pages.

    None: there is nothing to show, and the reason is already on the screen.
    """
    slot = f"live.{key}"
    last: Reading | None = st.session_state.get(slot)
    # The first time it takes a moment, a skeleton stands in; afterwards the old content stays until the new is there.
    waiting = st.skeleton(LOADING_HEIGHT) if last is None else st.empty()
    try:
        with waiting:
            reading = _read(load)
    except ApiProblem as problem:
        if problem.status == 401 and session.ended():
            st.rerun()  # The frame knows how to say it, and the way back.
        if last is None or not problem.temporary:
            heading(title, anchor=False)
            feedback.failed(problem, key=key)
            return None
        reading = replace(last, problem=problem)
    else:
        st.session_state[slot] = reading
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        heading(title, anchor=False, width="content")
        st.markdown(_updated(reading), width="content")
    return reading


def _read(load: Callable[[], Any]) -> Reading:
    data = load()
    if "as_of" in data:
        times.follow(times.parse(data["as_of"]))
    return Reading(data, times.now())


def _updated(reading: Reading) -> str:
    updated = f"最終更新 {times.clock(reading.at)}"
    if reading.problem:
        return f":orange[:small[:material/sync_problem: {updated}（更新できていません）]]"
    return small(updated)
