"""The site of a request that 案件詳細・明細入力 shows: the one whose tab is selected."""

from __future__ import annotations

import streamlit as st

KEY = "case.site"


def selected_site_id() -> int | None:
    """Dialogs call it when they open: another tab may have been selected after their button was drawn."""
    site_id: int | None = st.session_state.get(KEY)
    return site_id
