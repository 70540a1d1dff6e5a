"""Widgets that stand in the page's address, and what becomes of them on another page.

Streamlit keeps their values under their keys for the whole session. Pages have keys in common (`sort`, `q`, `state`)
and mean something else by them: what was chosen on one would cut the next one, or stand in its address as a code that
nobody understands. So each page has values of its own, and finds them again when somebody comes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

_PAGE, _KEYS, _LEFT = "bound.page", "bound.keys", "bound.left"
# The numbers of `settle`.
_UNSEEN = '[class*="st-key-"][class*="-drawn"] { display: none; }'


def key(name: str) -> str:
    """Of a widget with `bind="query-params"` whose value is its page's. Without it the value goes along to pages that
    ask the same, as the nursery does."""
    st.session_state.setdefault(_KEYS, set()).add(name)
    return name


def put(mark: str, values: Mapping[str, Any]) -> None:
    """In a callback: gives widgets other values than those that the browser shows.

    A refresh that left the browser before it has drawn them brings the earlier values along once more. So what is put
    has a number, which the browser knows only from what it has drawn, and sends back with all else: see `settle`.
    """
    st.session_state[f"{mark}.put"] = number(mark) + 1, values
    st.session_state[f"{mark}.drawn"] = str(number(mark))
    for name, value in values.items():
        st.session_state[name] = value


def number(mark: str) -> int:
    """How often something was put there."""
    put: tuple[int, Mapping[str, Any]] = st.session_state.get(f"{mark}.put", (0, {}))
    return put[0]


def is_drawn(mark: str) -> bool:
    """Whether what the browser sent was sent by somebody who sees what was put last."""
    expected = str(number(mark))
    return bool(st.session_state.get(f"{mark}.drawn", expected) == expected)


def settle(mark: str) -> None:
    """Just before the widgets of `put` are drawn, in the same fragment: what was put holds until the browser has it."""
    if not is_drawn(mark):
        for name, value in st.session_state[f"{mark}.put"][1].items():
            st.session_state[name] = value
    st.session_state[f"{mark}.drawn"] = str(number(mark))
    st.text_input("表示の番号", key=f"{mark}.drawn", label_visibility="collapsed")


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
    st.html(f"<style>{_UNSEEN}</style>")
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
