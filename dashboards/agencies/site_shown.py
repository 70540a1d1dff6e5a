"""Which site of a request 案件詳細・明細入力 shows: the one whose tab was pressed."""

from __future__ import annotations

import streamlit as st

KEY = "case.site"


def now() -> int | None:
    """Its id. Dialogs ask when they open: its tab may have been pressed after their button was drawn."""
    found: int | None = st.session_state.get(KEY)
    return found
