"""What was asked for a moment ago, kept in the session for a minute: what filters and forms need."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from dashboards import session
from dashboards.client import PATIENCE_SECONDS, ApiProblem

SECONDS = 60
# As many as anybody looks through.
OFFERED = 1000

Key = TypeVar("Key")
Value = TypeVar("Value")


def kept(name: str, ask: Callable[[], dict[Key, Value]]) -> dict[Key, Value]:
    """Once the person has written something it is asked for anew: what they have just made can be chosen at once. While
    the service is away the last answer stays. Nothing when the service refuses: the page's own block says what is
    wrong, and without names there is nothing to choose from. `name` is unique in all pages."""
    slot = f"kept.{name}"
    asked_at, known = st.session_state.get(slot, (-math.inf, {}))
    since_write = session.seconds_since_write()
    now = time.monotonic()
    if now - asked_at < min(SECONDS, since_write):
        return dict(known)
    try:
        found = ask()
    except ApiProblem as problem:
        return dict(known) if problem.temporary else {}
    st.session_state[slot] = (now, found)
    return dict(found)


def held(name: str, path: str) -> dict[str, Any]:
    """The answer to `path`, without which a form cannot be drawn: while the service is away the last one stays, so that
    what is being typed stays on the page. Each field of a draft is a write, so writes do not end it: `hold` does.
    Raises ApiProblem when there is none, or when it is refused."""
    slot = f"held.{name}"
    until, known = st.session_state.get(slot, (0.0, None))
    if known is None or time.monotonic() >= until:
        try:
            known = session.api(patience=PATIENCE_SECONDS).get(path)
        except ApiProblem as problem:
            if known is None or not problem.temporary:
                raise
        hold(name, known)
    found: dict[str, Any] = known
    return found


def hold(name: str, known: dict[str, Any]) -> None:
    """Notes what the service has just answered, for a page that asks for it whenever it is drawn."""
    st.session_state[f"held.{name}"] = (time.monotonic() + SECONDS, known)


def every(path: str, **query: Any) -> list[dict[str, Any]]:
    """The rows of a list, page by page, up to as many as are offered."""
    found: list[dict[str, Any]] = []
    while len(found) < OFFERED:
        page = session.api(patience=PATIENCE_SECONDS).get(path, limit=100, **query)
        found += page["items"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    return found
