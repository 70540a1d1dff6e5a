"""The sidebar's menu: the user's favourites, then the pages of each area, which folds.

It is a fragment: what is folded, marked or counted anew draws no page again.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.navigation.page import Page as StreamlitPage

from dashboards import pending_counts, session, start
from dashboards.pages import Entry
from dashboards.settings import settings
from dashboards.ui import preferences

# A menu of so many pages needs no folding: all areas are open until the user folds one.
SHORT_MENU = 24
FAVOURITES, FOLDING = "menu.favourites", "menu.areas"
_OPEN = "menu.open"
# Keys of dashboards/static/genba.css.
DUE, MENU, USER = "menu-due", "menu", "menu-user"

Pages = Mapping[Entry, StreamlitPage]


def due_place() -> DeltaGenerator:
    """Where the menu writes how much is due while it is closed."""
    return st.container(key=DUE).empty()


@st.fragment(run_every=settings().refresh_seconds)
def menu(pages: Pages, current: Entry | None, home: StreamlitPage, due: DeltaGenerator) -> None:
    """`pages` are those of the menu, `current` is the open page, in the menu or not; `due` is `due_place()`."""
    if session.end_changed():  # Only the frame can show it.
        st.rerun()
    counts = pending_counts.cached_counts() if pages else pending_counts.PendingCounts()
    if counts.due:
        due.page_link(home, label=f"要対応 **{counts.due:,}**", icon=":material/notifications:")
    else:
        due.empty()
    with st.container(key=MENU):
        if start.is_home(pages):
            st.page_link(home, label=_counted(home.title, counts.due))
        _draw(pages, current, counts.pages)


def _draw(pages: Pages, current: Entry | None, counts: Mapping[str, int]) -> None:
    areas = {area: {entry: pages[entry] for entry in entries} for area, entries in groupby(pages, lambda e: e.area)}
    if len(areas) > 1:
        _favourites(pages, current, counts)
        area_in_use = current.area if current else ""
        open_areas = _open_areas(pages, current.url_path if current else "", area_in_use)
        for area, area_pages in areas.items():
            _area(area, area_pages, counts, f"menu.{area}.{area_in_use}", is_open=area in open_areas)
    elif pages:
        st.caption(next(iter(pages)).section)
        _links(pages, counts)


def _open_areas(pages: Pages, current_path: str, area_in_use: str) -> set[str]:
    """When a page is opened: its own area, and the others as the user has left them."""
    open_areas: set[str]
    path, open_areas = st.session_state.get(_OPEN, (None, set()))
    if path != current_path:
        stored = preferences.get(FOLDING, dict[str, bool]())
        default = len(pages) <= SHORT_MENU
        open_areas = {area_in_use, *(entry.area for entry in pages if stored.get(entry.area, default))}
        st.session_state[_OPEN] = current_path, open_areas
    return open_areas


def _area(area: str, pages: Pages, counts: Mapping[str, int], key: str, *, is_open: bool) -> None:
    """An expander that keeps its label and its `expanded` is the same one to Streamlit, and keeps the focus. `key` is
    another one in each area: what the browser still sends of an area's page before is no click."""
    st.session_state[key] = is_open
    count = sum(counts.get(entry.url_path, 0) for entry in pages)
    label = _counted(next(iter(pages)).section, count)
    folding = st.expander(label, key=key, type="compact", on_change=_fold, args=(area, key))
    if is_open:
        with folding:
            _links(pages, counts)


def _fold(area: str, key: str) -> None:
    is_open: bool = st.session_state[key]
    _, open_areas = st.session_state[_OPEN]
    (open_areas.add if is_open else open_areas.discard)(area)
    preferences.change(FOLDING, dict[str, bool](), lambda stored: stored | {area: is_open})


def _favourites(pages: Pages, current: Entry | None, counts: Mapping[str, int]) -> None:
    marked = preferences.get(FAVOURITES, list[str]())
    by_path = {entry.url_path: entry for entry in pages}
    favourites = [by_path[path] for path in marked if path in by_path]
    if favourites:
        st.caption("お気に入り")
        _links({entry: pages[entry] for entry in favourites}, counts)
    if current and current in pages:
        is_marked = current.url_path in marked
        st.button(
            "お気に入りから外す" if is_marked else "お気に入りに追加",
            key="menu.mark",
            icon=":material/bookmark_remove:" if is_marked else ":material/bookmark_add:",
            type="tertiary",
            on_click=_mark,
            args=(current.url_path, not is_marked),
        )


def _mark(path: str, is_favourite: bool) -> None:
    def changed(marked: list[str]) -> list[str]:
        others = [other for other in marked if other != path]
        return [*others, path] if is_favourite else others

    preferences.change(FAVOURITES, list[str](), changed)


def _links(pages: Pages, counts: Mapping[str, int]) -> None:
    for entry, page in pages.items():
        st.page_link(page, label=_counted(entry.title, counts.get(entry.url_path, 0)))


def _counted(title: str, count: int) -> str:
    # Narrow brackets: the longest title and a number just fit into the menu.
    return f"{title}({count:,})" if count else title
