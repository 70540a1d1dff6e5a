"""Widgets that stand in the page's address, and what becomes of them on another page.

Streamlit keeps their values under their keys for the whole session. Pages have keys in common (`sort`, `q`, `state`)
and mean something else by them: what was chosen on one would cut the next one, or stand in its address as a code that
nobody understands. So each page has values of its own, and finds them again when somebody comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

_PAGE, _KEYS, _LEFT = "bound.page", "bound.keys", "bound.left"


def key(name: str) -> str:
    """Of a widget with `bind="query-params"` whose value is its page's. Without it the value goes along to pages that
    ask the same, as the nursery does."""
    st.session_state.setdefault(_KEYS, set()).add(name)
    return name


def part(parts: Sequence[str], label: str = "表示") -> str:
    """Which of its parts a page shows; the first one, unless its address says another."""
    chosen: str = st.pills(
        label,
        parts,
        default=parts[0],
        required=True,
        key=key("part"),
        bind="query-params",
        label_visibility="collapsed",
    )
    return chosen


def begin(page: str) -> None:
    """Before the page at this address is drawn, for the frame."""
    before = st.session_state.get(_PAGE)
    if before == page:
        return
    st.session_state[_PAGE] = page
    left: dict[str, dict[str, Any]] = st.session_state.setdefault(_LEFT, {})
    left[before or ""] = {
        name: st.session_state.pop(name) for name in st.session_state.pop(_KEYS, ()) if name in st.session_state
    }
    found = left.pop(page, {})
    if found and not any(name in st.query_params for name in found):
        for name, value in found.items():
            st.session_state[name] = value
        st.rerun()  # In a run that the browser's own buttons began, what is set here would be overlooked.
