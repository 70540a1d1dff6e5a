"""What `/` shows: ホーム, unless the user's document names another page to begin with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import streamlit as st
from streamlit.navigation.page import Page as StreamlitPage

from dashboards.pages import Entry
from dashboards.ui import feedback

# 申込投入 (3.0): マイ依頼一覧, 投入案件一覧 or ダッシュボード, for each role the first page of its menu.
AREAS_WITH_A_START = frozenset({"agencies"})


def is_home(in_menu: Iterable[Entry]) -> bool:
    """`in_menu`: the user's pages."""
    return bool({entry.area for entry in in_menu} - AREAS_WITH_A_START - {"core"})


def page(in_menu: Mapping[Entry, StreamlitPage]) -> StreamlitPage:
    """`in_menu`: in the order of the menu."""
    if is_home(in_menu):
        return st.Page("core/home.py", title="ホーム", icon=":material/home:", default=True)

    def start() -> None:
        if in_menu:
            st.switch_page(next(iter(in_menu.values())))
        feedback.nothing_allowed()

    return st.Page(start, title="Genba", url_path="start", default=True)
