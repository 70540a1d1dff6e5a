"""Widgets whose values are in the page's URL, and what happens to their values on another page.

Streamlit stores widget values by key for the whole session. Pages share keys (`sort`, `q`, `state`) with different
meanings: a value chosen on one page would filter the next page, or stand in its URL as an unknown code. So the values
are stored per page, and restored when the user comes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import streamlit as st
from streamlit.runtime.scriptrunner_utils.script_run_context import get_script_run_ctx

_PAGE, _KEYS, _SHARED, _STORED = "bound.page", "bound.keys", "bound.shared", "bound.left"


def page_key(name: str) -> str:
    """Registers the key of a widget with `bind="query-params"` whose value belongs to its page."""
    st.session_state.setdefault(_KEYS, set()).add(name)
    return name


def shared_key(name: str) -> str:
    """The same where the value goes along to pages with the same key, like the chosen nursery."""
    st.session_state.setdefault(_SHARED, set()).add(name)
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


def switch_page(file: str, address: str) -> None:
    """Opens the page in this file with the parameters of the address. Streamlit refuses to set one that belongs to a
    widget, also to one of the page that is left."""
    parameters = dict(parse_qsl(urlsplit(address).query))
    context = get_script_run_ctx()
    assert context is not None
    with context.session_state.query_params() as query_params:
        for name in parameters:
            if binding := query_params.get_binding_for_param(name):
                query_params.unbind_widget(binding.widget_id)
    st.switch_page(file, query_params=parameters)


def begin_page(page: str) -> None:
    """For the frame, before it draws the page at this address. An address with parameters is the whole truth: nothing
    is restored, and nothing goes along."""
    previous = st.session_state.get(_PAGE)
    if previous == page:
        return
    st.session_state[_PAGE] = page
    stored_by_page: dict[str, dict[str, Any]] = st.session_state.setdefault(_STORED, {})
    stored_by_page[previous or ""] = {
        name: st.session_state.pop(name) for name in st.session_state.pop(_KEYS, ()) if name in st.session_state
    }
    restored = stored_by_page.pop(page, {})
    if st.query_params:
        for name in st.session_state.get(_SHARED, ()):
            st.session_state.pop(name, None)
    elif restored:
        for name, value in restored.items():
            st.session_state[name] = value
        # Not each of them is drawn again: the part of the page that was left has other filters.
        st.session_state[_KEYS] = set(restored)
        st.rerun()  # In a run started by the browser's back or forward button, values set here would be ignored.
