"""The numbers in the menu: how much waits for this person on each page.

Asked once in a while and remembered in the session, also while the service is away: the menu never waits for it long,
and an outage does not draw every page anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import streamlit as st

from dashboards import session
from dashboards.client import ApiProblem
from dashboards.pages import Entry
from dashboards.settings import settings
from dashboards.ui import live

_KNOWN = "waiting.known"


@dataclass
class Known:
    until: float = 0.0
    numbers: dict[str, int] = field(default_factory=dict)


def numbers(entries: Iterable[Entry]) -> dict[str, int]:
    """By the page's address; pages on which nothing waits are left out."""
    known: Known = st.session_state.setdefault(_KNOWN, Known())
    if time.monotonic() >= known.until:
        known.numbers = ask(entries, known.numbers)
        known.until = time.monotonic() + settings().refresh_seconds
    return known.numbers


def ask(entries: Iterable[Entry], before: dict[str, int]) -> dict[str, int]:
    found = {}
    for entry in entries:
        if entry.waiting is None:
            continue
        try:
            number = live.answer(entry.waiting.path)[entry.waiting.field]
        except ApiProblem:
            number = before.get(entry.url_path, 0)
        if number:
            found[entry.url_path] = number
    return found


@st.fragment(run_every=settings().refresh_seconds)
def watch(entries: Iterable[Entry], drawn: dict[str, int]) -> None:
    """Draws the page anew when the menu is out of date, or the session has ended: a block that refreshes itself cannot
    change the frame."""
    if session.to_be_said() or numbers(entries) != drawn:
        st.rerun()
