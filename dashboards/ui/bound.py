"""Widgets whose values are in the page's URL, and what happens to their values on another page.

Streamlit stores widget values by key for the whole session. Pages share keys (`sort`, `q`, `state`) with different
meanings: a value chosen on one page would filter the next page, or stand in its URL as an unknown code. So the values
are stored per page, and restored when the user comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner_utils.script_run_context import get_script_run_ctx

_PAGE, _KEYS, _STORED = "bound.page", "bound.keys", "bound.left"


def page_key(name: str) -> str:
    """Registers the key of a widget with `bind="query-params"` whose value belongs to its page. Without it the value
    goes along to pages with the same key, like the chosen nursery."""
    st.session_state.setdefault(_KEYS, set()).add(name)
    return name


def set_values(group: str, values: Mapping[str, Any]) -> None:
    """Sets widgets to other values than the browser shows. Only in callbacks.

    A refresh that left the browser before it has drawn the new values sends the old ones once more. So each change has
    a number, which the browser learns only when it draws it, and sends back with everything else: see `apply_values`.
    """
    st.session_state[f"{group}.put"] = change_number(group) + 1, values
    st.session_state[f"{group}.drawn"] = str(change_number(group))
    for name, value in values.items():
        st.session_state[name] = value


def change_number(group: str) -> int:
    """How often `set_values` was called for this group."""
    stored: tuple[int, Mapping[str, Any]] = st.session_state.get(f"{group}.put", (0, {}))
    return stored[0]


def is_up_to_date(group: str) -> bool:
    """Whether the browser has drawn the last `set_values` before it sent these values."""
    expected = str(change_number(group))
    return bool(st.session_state.get(f"{group}.drawn", expected) == expected)


def apply_values(group: str) -> None:
    """Call it just before the widgets of `set_values` are drawn, in the same fragment: these values hold until the
    browser has drawn them."""
    if not is_up_to_date(group):
        for name, value in st.session_state[f"{group}.put"][1].items():
            st.session_state[name] = value
    st.session_state[f"{group}.drawn"] = str(change_number(group))
    # Hidden by dashboards/static/genba.css.
    st.text_input("表示の番号", key=f"{group}.drawn", label_visibility="collapsed")


def choose_part(parts: Sequence[str], label: str = "表示") -> str:
    """The part of the page to show: the first, unless the URL names another."""
    chosen: str = st.pills(
        label,
        parts,
        default=parts[0],
        required=True,
        key=page_key("part"),
        bind="query-params",
        label_visibility="collapsed",
    )
    return chosen


def release(names: Iterable[str]) -> None:
    """Before `st.switch_page` with these query parameters: Streamlit refuses to set one that belongs to a widget, also
    to one of the page that is left."""
    context = get_script_run_ctx()
    assert context is not None
    with context.session_state.query_params() as query_params:
        for name in names:
            if binding := query_params.get_binding_for_param(name):
                query_params.unbind_widget(binding.widget_id)


def begin_page(page: str) -> None:
    """For the frame, before it draws the page at this address."""
    previous = st.session_state.get(_PAGE)
    if previous == page:
        return
    st.session_state[_PAGE] = page
    stored_by_page: dict[str, dict[str, Any]] = st.session_state.setdefault(_STORED, {})
    stored_by_page[previous or ""] = {
        name: st.session_state.pop(name) for name in st.session_state.pop(_KEYS, ()) if name in st.session_state
    }
    restored = stored_by_page.pop(page, {})
    if restored and not any(name in st.query_params for name in restored):
        for name, value in restored.items():
            st.session_state[name] = value
        st.rerun()  # In a run started by the browser's back or forward button, values set here would be ignored.
