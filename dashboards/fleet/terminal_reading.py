"""One terminal as its page reads it: once for the title and all below it, then again with each refresh."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboards import session
from dashboards.client import PATIENCE_SECONDS, ApiProblem
from dashboards.fleet.terminals_table import PATH
from dashboards.ui import feedback, heading, live
from dashboards.ui.columns import Row
from dashboards.ui.links import link

KEY = "fleet.terminal"
_HANDED = "fleet.terminal.handed"


def read(number: int) -> Any:
    """The terminal; what the page has just read for its title is not asked for again."""
    handed = st.session_state.pop(_HANDED, None)
    if handed and handed["id"] == number:
        return handed
    return session.api(patience=PATIENCE_SECONDS).get(f"{PATH}/{number}")


def first_look(number: int) -> Row | None:
    """What the title and the parts below the headline stand on. While the service is away, what was shown last; None
    when there is nothing, and the reason is on the screen."""
    try:
        found: Row = live.ask(read, number=number)
    except ApiProblem as problem:
        if problem.status == 401 and session.ended():
            st.rerun()
        shown: Row | None = live.shown(KEY)
        if shown and shown["id"] == number and problem.temporary:
            return shown
        heading.page("端末詳細")
        feedback.failed(problem, key=KEY, again=live.forget_failure)
        if problem.status == 404:
            link("端末一覧を開く", "/terminals")
        return None
    st.session_state[_HANDED] = found
    return found
