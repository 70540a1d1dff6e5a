"""Idempotency keys for buttons: a press and its repeat have the same key, a new action has another."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from dashboards.client import ApiProblem

# A press after this time is a new action.
KEY_LIFETIME_SECONDS = 600


def new_key() -> str:
    return uuid.uuid4().hex


@contextmanager
def button_idempotency_key(name: str) -> Iterator[str]:
    """`with button_idempotency_key(path) as key:` around the call and around storing its result.

    The key stays when no answer came, and when the run was cut short inside (Streamlit raises wherever the session
    state is touched). A stored answer and a refusal end it.
    """
    keys = st.session_state.setdefault("idempotency.pressed", {})
    key, created_at = keys.get(name, ("", 0.0))
    if not key or time.monotonic() - created_at > KEY_LIFETIME_SECONDS:
        key, _ = keys[name] = new_key(), time.monotonic()
    try:
        yield key
    except ApiProblem as problem:
        if not problem.temporary:
            keys.pop(name, None)
        raise
    keys.pop(name, None)
