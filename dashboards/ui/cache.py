"""Options of filters and forms, cached for a minute: for all tabs of the session, or in the tab."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from dashboards import session
from dashboards.by_token import ByToken
from dashboards.client import PAGE_TIMEOUT_SECONDS, ApiProblem

CACHE_SECONDS = 60
# More options than this are of no use to a user.
MAX_OPTIONS = 1000
# Each may have several lists of so many options.
MAX_SESSIONS = 256

Key = TypeVar("Key")
Value = TypeVar("Value")

_options: ByToken[dict[str, tuple[float, dict[Any, Any]]]] = ByToken(MAX_SESSIONS)


def load_cached(name: str, ask: Callable[[], dict[Key, Value]], *, is_required: bool = False) -> dict[Key, Value]:
    """Asks again after the user has written something, so that a new record can be chosen at once. While the service is
    away, the last answer stays. {} when the service refuses: the page's own block shows the error, and without names
    there is nothing to choose; with `is_required` it raises the ApiProblem, for a page that would take no answer for
    nothing. `name` is unique in all pages."""
    token = session.token() or ""
    options = _options.get(token) or {}
    cached_at, cached = options.get(name, (-math.inf, {}))
    since_write = session.seconds_since_write()
    now = time.monotonic()
    if now - cached_at < min(CACHE_SECONDS, since_write):
        return dict(cached)
    try:
        answer = ask()
    except ApiProblem as problem:
        if is_required and not cached:
            raise
        return dict(cached) if problem.temporary else {}
    _options.put(token, {**(_options.get(token) or {}), name: (now, answer)})
    return dict(answer)


def load_cached_answer(name: str, path: str) -> Any:
    """The answer to `path`, without which a form cannot be drawn. While the service is away, the last one stays, so
    that what is being typed stays on the page. Each field of a draft is a write, so writes do not expire it:
    `cache_answer` replaces it. Raises ApiProblem when there is no answer, or when it is refused."""
    slot = f"cached_answer.{name}"
    expires_at, cached = st.session_state.get(slot, (0.0, None))
    if cached is None or time.monotonic() >= expires_at:
        try:
            cached = session.api(patience=PAGE_TIMEOUT_SECONDS).get(path)
        except ApiProblem as problem:
            if cached is None or not problem.temporary:
                raise
        cache_answer(name, cached)
    return cached


def cache_answer(name: str, answer: object) -> None:
    """Caches what the service has just answered, for a page that asks for it whenever it is drawn."""
    st.session_state[f"cached_answer.{name}"] = (time.monotonic() + CACHE_SECONDS, answer)


def fetch_all(path: str, **query: Any) -> list[Any]:
    """All rows of a list, page by page, up to MAX_OPTIONS rows."""
    rows: list[Any] = []
    while len(rows) < MAX_OPTIONS:
        page = session.api(patience=PAGE_TIMEOUT_SECONDS).get(path, limit=100, **query)
        rows += page["items"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    return rows
