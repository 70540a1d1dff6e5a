"""The one table for lists of the service: its pages, its order, its row actions, and what stands there without rows.

The service sorts and cuts the pages; the browser gets one page. A click on a column's title would have Streamlit sort
the rows of that page only, so it is taken as a choice of a column, which turns Streamlit's sorting off, and asks the
service for that order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboards.ui import bound, dialogs, exports, feedback, live
from dashboards.ui.columns import Column, Row
from dashboards.ui.exports import Export
from dashboards.ui.filters import Filters
from dashboards.ui.text import small

PAGE_ROWS = 50
MENU_COLUMN = "操作"
ALT = "一覧"
NOTHING_CHOSEN: dict[str, Any] = {"selection": {"rows": [], "columns": [], "cells": []}}


@dataclass(frozen=True)
class Empty:
    """Why a list has no rows at all, and what to do; `action` draws the button that does it."""

    why: str
    next_step: str
    action: Callable[[], object] | None = None


@dataclass
class Pages:
    """Where in a list a person is: the cursors of the pages up to this one, for one query."""

    query: dict[str, Any]
    cursors: list[str] = field(default_factory=list)
    next_cursor: str | None = None

    @property
    def number(self) -> int:
        return len(self.cursors) + 1

    def forward(self) -> None:
        if self.next_cursor:
            self.cursors.append(self.next_cursor)
            self.next_cursor = None

    def back(self) -> None:
        if self.cursors:
            self.cursors.pop()


def table(
    key: str,
    title: str,
    path: live.Source,
    columns: Sequence[Column],
    *,
    counter: str = "件",
    sorts: Mapping[str, str] | None = None,
    sort_name: str = "sort",
    filters: Filters | None = None,
    query: Mapping[str, Any] | None = None,
    rows: int = PAGE_ROWS,
    actions: Mapping[str, Callable[[Row], None]] | None = None,
    export: Export | None = None,
    empty: Empty | None = None,
    headline: bool = False,
    right: Callable[[], object] | None = None,
    height: int | None = None,
    draw: Callable[[Sequence[Row]], None] | None = None,
) -> live.Reading | None:
    """A list of the service at `path` (`items`, `total`, `next_cursor`), one page at a time.

    Args:
        key: unique in all pages; also the name that tests find the parts by (`<key>.previous`, `.next`).
        counter: the word after a number of rows: 件, 台, 人.
        sorts: the service's sort keys with the words for them, the first one being the service's default.
        sort_name: the name of the order in the page's address; a second table on a page needs another one.
        filters: from `filters.bar`; their values go to the service with `query`, and it is told the number of hits.
        actions: word → what to do with the row: one is a button, several are a menu. Dialogs may be opened there.
        export: how to take the list along; it is given the query and the order.
        empty: what to say when there are no rows and no filters.
        title: of the table; the list that its page is about has none.
        right: draws the page's primary action, at the end of the title's row.
        height: of the grid in pixels, when not that of its rows.
        draw: the page's rows in a way of their own, in place of the grid and its columns.

    Returns what is shown, or None when there is nothing and the reason is on the screen.
    """
    asked = dict(query or {}) | (filters.query if filters else {})
    _hand_over(key, actions or {})
    if sorts:
        bound.settle(sort_name)
    pages = _pages(key, asked | _order(sorts, sort_name))
    cursor = pages.cursors[-1] if pages.cursors else None

    told: dict[str, DeltaGenerator] = {}

    def tools() -> None:
        """What is known only with the rows is filled in then. Without a title the tools stand to the left, because
        Streamlit's own buttons hang above the right end of the grid."""
        if sorts:
            _order_box(sorts, sort_name)
        told["export"] = st.container(width="content")
        if not title:
            told["count"] = st.container(width="content")
        if right:
            right()

    reading = live.block(
        key,
        title,
        path,
        headline=headline,
        left=None if title else tools,
        right=tools if title else None,
        limit=rows,
        cursor=cursor,
        **pages.query,
    )
    if reading is None:
        # A cursor that does not hold any more must not lock a person in.
        pages.cursors.clear()
        return None
    items, total = reading.data["items"], reading.data["total"]
    pages.next_cursor = reading.data["next_cursor"]
    if not items and pages.cursors:
        pages.cursors.clear()
        st.rerun()  # The rows of this page are gone.
    if filters:
        filters.tell(total, counter)
    if not items:
        _no_rows(filters, empty)
        return reading
    told.get("count", st).markdown(
        small(_shown(pages.number, total, rows, counter, is_told=filters is not None)), width="content"
    )
    if export:
        with told["export"]:
            exports.menu(key, export, pages.query, total, counter, narrowed=bool(filters and filters.active))
    if draw:
        draw(items)
    else:
        _grid(key, title, items, columns, sorts, sort_name, actions or {}, height)
    _pager(key, pages, max(pages.number, ceil(total / rows)))
    return reading


def _shown(page: int, total: int, rows: int, counter: str, *, is_told: bool) -> str:
    """Which rows these are. `is_told`: how many there are stands beside the conditions already."""
    if total <= rows:
        return "" if is_told else f"全{total:,}{counter}を表示しています"
    first = (page - 1) * rows + 1
    shown = f"{first:,}–{min(first + rows - 1, total):,}{counter}目を表示しています"
    return shown if is_told else f"{total:,}{counter}のうち{shown}"


def _order(sorts: Mapping[str, str] | None, name: str) -> dict[str, str]:
    """The order that was chosen. Before its box is drawn for the first time, it may stand in the address only."""
    if not sorts:
        return {}
    default = next(iter(sorts))
    chosen = st.session_state.get(name)
    if chosen is None:
        by_words = {words: sort for sort, words in sorts.items()}
        chosen = by_words.get(st.query_params.get(name, ""))
    return {"sort": str(chosen) if chosen in sorts else default}


def _pages(key: str, query: dict[str, Any]) -> Pages:
    """Another filter or order begins at the first page."""
    slot = f"{key}.pages"
    kept: Pages | None = st.session_state.get(slot)
    if kept is None or kept.query != query:
        kept = st.session_state[slot] = Pages(query)
    return kept


def _order_box(sorts: Mapping[str, str], sort_name: str) -> None:
    st.selectbox(
        "並べ替え",
        [*sorts],
        format_func=lambda sort: sorts[sort],
        key=bound.key(sort_name),
        bind="query-params",
        filter_mode=None,
        label_visibility="collapsed",
        icon=":material/sort:",
        width=220,
    )


def _grid(
    key: str,
    title: str,
    items: Sequence[Row],
    columns: Sequence[Column],
    sorts: Mapping[str, str] | None,
    sort_name: str,
    actions: Mapping[str, Callable[[Row], None]],
    height: int | None,
) -> None:
    cells = {column.title: [column.cell(item) for item in items] for column in columns}
    chosen = _order(sorts, sort_name).get("sort", "")
    config: dict[str, Any] = {
        column.title: column.draw(column.title + _mark(column, chosen), cells[column.title]) for column in columns
    }
    if actions:
        words = [*actions]
        cells[MENU_COLUMN] = [words[0] if len(words) == 1 else words] * len(items)
        config[MENU_COLUMN] = st.column_config.ButtonColumn(
            MENU_COLUMN, width=_menu_width(words), type="tertiary", key=f"{key}.action", on_click=_clicked, args=(key,)
        )
    # A click on a title is answered by a grid of its own, in which no title is chosen yet.
    number = bound.number(sort_name)
    st.dataframe(
        cells,
        key=f"{key}.grid.{number}",
        column_config=config,
        hide_index=True,
        placeholder="–",
        height=height or "content",
        selection_mode="single-column",
        on_select=lambda: _title_clicked(key, number, columns, sorts, sort_name),
        alt=title or ALT,
    )


def _menu_width(words: Sequence[str]) -> int:
    """In pixels: a single action stands there as its word, several behind one sign."""
    return max(56, 20 + 13 * len(words[0])) if len(words) == 1 else 56


def grid(
    key: str,
    alt: str,
    items: Sequence[Row],
    columns: Sequence[Column],
    *,
    height: Literal["content", "auto"] = "content",
) -> None:
    """Rows that are all here, in the manner of `table`; a click on a title sorts them in the browser. `height`: of all
    rows, or of ten at most, in which one scrolls (auto)."""
    cells = {column.title: [column.cell(item) for item in items] for column in columns}
    st.dataframe(
        cells,
        key=key,
        column_config={column.title: column.draw(column.title, cells[column.title]) for column in columns},
        hide_index=True,
        placeholder="–",
        height=height,
        alt=alt,
    )


def _mark(column: Column, chosen: str) -> str:
    if not column.sort or chosen.removeprefix("-") != column.sort:
        return ""
    return " ▼" if chosen.startswith("-") else " ▲"


def _title_clicked(
    key: str, number: int, columns: Sequence[Column], sorts: Mapping[str, str] | None, sort_name: str
) -> None:
    chosen = st.session_state[f"{key}.grid.{number}"]["selection"]["columns"]
    st.session_state[f"{key}.grid.{number}"] = NOTHING_CHOSEN
    if number != bound.number(sort_name):
        return  # The click that was answered already, once more.
    for column in columns:
        if column.title in chosen and column.sort and sorts:
            ways = [sort for sort in (column.sort, f"-{column.sort}") if sort in sorts]
            now = _order(sorts, sort_name)["sort"]
            if ways:
                then = ways[(ways.index(now) + 1) % len(ways)] if now in ways else ways[0]
                bound.put(sort_name, {sort_name: then})


def _clicked(key: str) -> None:
    """Remembers what is to be done, with the row as it was shown."""
    click = st.session_state[f"{key}.action"]
    st.session_state[f"{key}.clicked"] = (click["label"], live.shown(key)["items"][click["row"]])


def _hand_over(key: str, actions: Mapping[str, Callable[[Row], None]]) -> None:
    word, row = st.session_state.pop(f"{key}.clicked", (None, None))
    if word in actions:
        dialogs.open(actions[word], row)
        dialogs.leave()


def _pager(key: str, pages: Pages, last: int) -> None:
    if last == 1:
        return
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center"):
        st.button(
            "前へ",
            key=f"{key}.previous",
            icon=":material/chevron_left:",
            on_click=pages.back,
            disabled=not pages.cursors,
        )
        st.markdown(f"{pages.number:,} / {last:,}ページ", width="content")
        st.button(
            "次へ",
            key=f"{key}.next",
            icon=":material/chevron_right:",
            icon_position="right",
            on_click=pages.forward,
            disabled=pages.next_cursor is None,
        )


def _no_rows(filters: Filters | None, empty: Empty | None) -> None:
    if filters and filters.active:
        feedback.empty(
            "条件に合うものはありません",
            "条件を減らすか、「条件をクリア」を押すと、すべての行が表示されます。",
            icon=":material/search_off:",
        )
    else:
        said = empty or Empty("まだ何も登録されていません", "登録されると、ここに並びます。")
        feedback.empty(said.why, said.next_step, action=said.action)
