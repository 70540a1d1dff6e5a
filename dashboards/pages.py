"""What a menu entry is. The entries of each area are in `dashboards/<area>/menu.py`."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

import streamlit as st
from streamlit.navigation.page import Page as StreamlitPage


@dataclass(frozen=True)
class Entry:
    """`file` is the page's, relative to `dashboards`. `permission` None: every signed-in user sees the page.

    `subjects`: the service's subjects that are managed there; notifications about them lead to this page.
    `id_parameter`: the query parameter for the id, when the page shows a single subject.
    """

    area: str
    section: str
    file: str
    title: str
    icon: str
    url_path: str
    permission: str | None
    in_menu: bool = True
    subjects: tuple[str, ...] = ()
    id_parameter: str = ""

    def page(self) -> StreamlitPage:
        return _page(self.file, self.title, f":material/{self.icon}:", self.url_path)

    def address(self, subject_id: str | None) -> str:
        """The page's address, for the subject with this id."""
        query = f"?{urlencode({self.id_parameter: subject_id})}" if self.id_parameter and subject_id else ""
        return f"/{self.url_path}{query}"

    def replaced_by(self, screen: Callable[[], None], title: str) -> StreamlitPage:
        """Another screen at this page's URL. Without it Streamlit would open the start page there."""
        return _page(screen, title, "", self.url_path)


def _page(source: str | Callable[[], None], title: str, icon: str, url_path: str) -> StreamlitPage:
    """Of a page that is made once: each run needs all of them, and making one asks for its file. A copy, because
    Streamlit marks the page that runs."""
    return copy(_made_page(source, title, icon, url_path))


@lru_cache(maxsize=512)
def _made_page(source: str | Callable[[], None], title: str, icon: str, url_path: str) -> StreamlitPage:
    return st.Page(source, title=title, icon=icon, url_path=url_path)


@dataclass(frozen=True)
class Section:
    """The entries of one area, below their title in the menu."""

    area: str
    title: str

    def page(
        self, name: str, title: str, icon: str, permission: str | None, *, url_path: str = "", **options: Any
    ) -> Entry:
        """The page of the file `<area>/<name>.py`. Its address is the name with hyphens, if no other is given;
        `options` are those of `Entry`."""
        path = url_path or name.replace("_", "-")
        return Entry(self.area, self.title, f"{self.area}/{name}.py", title, icon, path, permission, **options)
