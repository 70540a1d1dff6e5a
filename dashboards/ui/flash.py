"""What was done, said once after the page was drawn anew."""

from __future__ import annotations

import streamlit as st

_WAITING = "flash"


def say(done: str) -> None:
    """A sentence for the next run, such as 「端末を登録しました。」."""
    st.session_state.setdefault(_WAITING, []).append(done)


def show() -> None:
    for done in st.session_state.pop(_WAITING, []):
        st.toast(done, icon=":material/check_circle:")
