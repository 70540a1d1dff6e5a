"""The top row of a page or a block: its title, the time it was read, and its actions at the end."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboards.ui.text import markdown

Draw = Callable[[], object]
# In the session: whether 最終更新 stands next to the page's title.
TIMED = "heading.timed"


def page(title: str, *, right: Draw | None = None) -> None:
    """For a page whose first block does not refresh itself."""
    st.session_state[TIMED] = False
    row(title, of_page=True, right=right)


def row(title: str, *, of_page: bool = False, left: Draw | None = None, right: Draw | None = None) -> DeltaGenerator:
    """Returns the place for 最終更新. `left` draws what stands in place of a title, `right` the page's action."""
    with st.container(
        horizontal=True,
        horizontal_alignment="distribute" if title or left else "right",
        vertical_alignment="bottom" if title else "center",
    ):
        if title:
            (st.title if of_page else st.subheader)(markdown(title), anchor=False, width="content")
        elif left:
            with st.container(horizontal=True, width="content", vertical_alignment="center"):
                left()
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            updated = st.empty()
            if right:
                right()
    return updated
