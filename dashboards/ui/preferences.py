"""What the user has arranged for herself: stored in the service, read once per session.

A failure of the service never breaks a page: the default holds, and a change holds for the session.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import streamlit as st

from dashboards import session
from dashboards.client import PAGE_TIMEOUT_SECONDS, PREFERENCES, ApiProblem
from dashboards.ui import live

RETRY_SECONDS = 30
_VALUES, _IS_READ, _RETRY_AT = "preferences.values", "preferences.is_read", "preferences.retry_at"

Value = TypeVar("Value")


def get(name: str, default: Value) -> Value:
    """The value, if it is of the default's type: an earlier release may have stored another one."""
    if not st.session_state.get(_IS_READ) and time.monotonic() >= st.session_state.get(_RETRY_AT, 0.0):
        with suppress(ApiProblem):
            _read()
    value = _values().get(name, default)
    return value if isinstance(value, type(default)) else default


def keep_in_session() -> None:
    """For the gallery, which has no service: nothing is read."""
    st.session_state[_IS_READ] = True


def put(name: str, value: object) -> None:
    _values()[name] = value
    with suppress(ApiProblem):
        session.api(patience=PAGE_TIMEOUT_SECONDS).put(f"{PREFERENCES}/{name}", {"value": value})


def change(name: str, default: Value, changed: Callable[[Value], Value]) -> None:
    """Like `put`, for a value that other tabs change too: `changed` gets what is stored now."""
    try:
        _read()
    except ApiProblem:  # Nothing is written over values that are not known.
        _values()[name] = changed(get(name, default))
    else:
        put(name, changed(get(name, default)))


def _values() -> dict[str, Any]:
    values: dict[str, Any] = st.session_state.setdefault(_VALUES, {})
    return values


def _read() -> None:
    st.session_state[_RETRY_AT] = time.monotonic() + RETRY_SECONDS
    st.session_state[_VALUES] = live.fetch_answer(PREFERENCES)["items"]
    st.session_state[_IS_READ] = True
