"""Messages about finished actions, shown once after the page was drawn again."""

from __future__ import annotations

import streamlit as st

from dashboards.ui.text import markdown

_WAITING = "flash"


def add(message: str) -> None:
    """A sentence for the next run, such as 「端末を登録しました。」."""
    st.session_state.setdefault(_WAITING, []).append(message)


def show() -> None:
    for message in st.session_state.pop(_WAITING, []):
        st.toast(markdown(message), icon=":material/check_circle:")
