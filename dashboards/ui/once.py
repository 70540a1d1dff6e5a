"""The key of what is sent by a button: the same for a press and its repeat, another one for what is meant anew."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from dashboards.client import ApiProblem

# Whoever presses again after this means it anew.
FORGOTTEN_AFTER_SECONDS = 600


def new_key() -> str:
    return uuid.uuid4().hex


@contextmanager
def pressed(name: str) -> Iterator[str]:
    """`with pressed(path) as once:` around what is sent and what is noted of it.

    The key stays when no answer came, and when the run was cut short inside (Streamlit raises wherever the session's
    state is touched); an answer that was noted and a refusal end it.
    """
    kept = st.session_state.setdefault("once.pressed", {})
    key, since = kept.get(name, ("", 0.0))
    if not key or time.monotonic() - since > FORGOTTEN_AFTER_SECONDS:
        key, _ = kept[name] = new_key(), time.monotonic()
    try:
        yield key
    except ApiProblem as problem:
        if not problem.temporary:
            kept.pop(name, None)
        raise
    kept.pop(name, None)
