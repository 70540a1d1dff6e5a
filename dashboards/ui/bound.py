"""Widgets that stand in the page's address, and what becomes of them on another page.

Streamlit keeps their values under their keys for good. Pages have keys in common (`sort`, `q`, `state`) and mean
something else by them: what was chosen on one would sort and cut the next one, or stand in its address as a code that
nobody understands. So each page begins with what its address asks for.
"""

from __future__ import annotations

import streamlit as st

_PAGE, _KEYS = "bound.page", "bound.keys"


def key(name: str) -> str:
    """Of a widget with `bind="query-params"` whose value ends with its page. Without it the value goes along to pages
    that ask the same, as the nursery does."""
    st.session_state.setdefault(_KEYS, set()).add(name)
    return name


def begin(page: str) -> None:
    """Before the page at this address is drawn, for the frame."""
    if st.session_state.get(_PAGE) != page:
        for name in st.session_state.pop(_KEYS, ()):
            st.session_state.pop(name, None)
    st.session_state[_PAGE] = page
