"""What a page of the menu is. The pages themselves are listed by area, in `dashboards/<area>/menu.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

import streamlit as st
from streamlit.navigation.page import Page as StreamlitPage


@dataclass(frozen=True)
class Waiting:
    """A number in an answer of the service: of `path` the value named `field`."""

    path: str
    field: str


@dataclass(frozen=True)
class Entry:
    """`file` is relative to the area's folder. `permission` None: everybody who is signed in sees the page.

    `about`: the subjects of the service that are looked after there, to which notifications about them lead. `names`:
    the parameter of its address that says which one of them, when the page is about a single one.
    `waiting`: how many things wait for a person there; the menu shows the number beside the title.
    """

    area: str
    section: str
    file: str
    title: str
    icon: str
    url_path: str
    permission: str | None
    demo_only: bool = False
    in_menu: bool = True
    about: tuple[str, ...] = ()
    names: str = ""
    waiting: Waiting | None = None

    def page(self, waiting: int = 0) -> StreamlitPage:
        visibility: Literal["visible", "hidden"] = "visible" if self.in_menu else "hidden"
        return st.Page(
            f"{self.area}/{self.file}",
            # Narrow brackets: the longest title and a number just fit into the menu.
            title=f"{self.title}({waiting:,})" if waiting else self.title,
            icon=self.icon,
            url_path=self.url_path,
            visibility=visibility,
        )

    def address(self, one: str | None) -> str:
        """Where `one` of what it is about is found."""
        asked = f"?{urlencode({self.names: one})}" if self.names and one else ""
        return f"/{self.url_path}{asked}"

    def instead(self, screen: Callable[[], None], title: str) -> StreamlitPage:
        """This page's URL, showing something else. Without it Streamlit would open the start page there."""
        return st.Page(screen, title=title, url_path=self.url_path, visibility="hidden")
