"""The pages, in the order of the day's work, each with the permission it takes to see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st
from streamlit.navigation.page import Page as StreamlitPage

from dashboards.session import User


@dataclass(frozen=True)
class Entry:
    section: str
    file: str
    title: str
    icon: str
    url_path: str
    permission: str

    def page(self) -> StreamlitPage:
        return st.Page(self.file, title=self.title, icon=self.icon, url_path=self.url_path)

    def instead(self, screen: Callable[[], None], title: str) -> StreamlitPage:
        """This page's URL, showing something else. Without it Streamlit would open the start page there."""
        return st.Page(screen, title=title, url_path=self.url_path, visibility="hidden")


MENU = (
    Entry(
        section="端末管理",
        file="fleet/dashboard.py",
        title="ダッシュボード",
        icon=":material/monitoring:",
        url_path="dashboard",
        permission="fleet:terminal:read",
    ),
)

PATHS = frozenset({"/", *(f"/{entry.url_path}" for entry in MENU)})


def allowed(user: User) -> list[Entry]:
    return [entry for entry in MENU if entry.permission in user.permissions]
