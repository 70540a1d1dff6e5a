"""The row that a page or a block begins with: its title, when it was read, and at the end what can be done."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

Draw = Callable[[], object]
# In the session: whether the page's title has 最終更新 beside it.
TIMED = "heading.timed"


def page(title: str, *, right: Draw | None = None) -> None:
    """Of a page whose first block is none that refreshes itself."""
    st.session_state[TIMED] = False
    row(title, of_page=True, right=right)


def row(title: str, *, of_page: bool = False, left: Draw | None = None, right: Draw | None = None) -> DeltaGenerator:
    """Returns the place for 最終更新. `left` draws what stands there in place of a title, `right` the page's action."""
    with st.container(
        horizontal=True,
        horizontal_alignment="distribute" if title or left else "right",
        vertical_alignment="bottom" if title else "center",
    ):
        if title:
            (st.title if of_page else st.subheader)(title, anchor=False, width="content")
        elif left:
            with st.container(horizontal=True, width="content", vertical_alignment="center"):
                left()
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            updated = st.empty()
            if right:
                right()
    return updated
