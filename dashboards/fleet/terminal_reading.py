"""One terminal as its page reads it: once for the title and everything below it, then again with each refresh."""

from __future__ import annotations

import streamlit as st

from dashboards import session
from dashboards.client import PAGE_TIMEOUT_SECONDS, ApiProblem
from dashboards.contract.fleet import TerminalDetail
from dashboards.fleet.terminals_table import PATH
from dashboards.ui import feedback, heading, live
from dashboards.ui.links import link

KEY = "fleet.terminal"
_FIRST_ANSWER = "fleet.terminal.handed"


def read(terminal_id: int) -> TerminalDetail:
    """The terminal. The answer that the page has just read for its title is not requested again."""
    first_answer: TerminalDetail | None = st.session_state.pop(_FIRST_ANSWER, None)
    if first_answer and first_answer["id"] == terminal_id:
        return first_answer
    terminal: TerminalDetail = session.api(patience=PAGE_TIMEOUT_SECONDS).get(f"{PATH}/{terminal_id}")
    return terminal


def read_first(terminal_id: int) -> TerminalDetail | None:
    """The terminal for the title and the parts below it. While the service is away, the terminal that was shown last;
    None when there is none, and the reason is on the screen."""
    try:
        terminal: TerminalDetail = live.fetch(read, terminal_id=terminal_id)
    except ApiProblem as problem:
        if problem.status == 401 and session.has_ended():
            st.rerun()
        last_shown: TerminalDetail | None = live.last_answer(KEY)
        if last_shown and last_shown["id"] == terminal_id and problem.temporary:
            return last_shown
        heading.page("端末詳細")
        feedback.failed(problem, key=KEY, again=live.clear_failure)
        if problem.status == 404:
            link("端末一覧を開く", "/terminals")
        return None
    st.session_state[_FIRST_ANSWER] = terminal
    return terminal
