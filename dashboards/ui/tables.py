"""The table for lists of the service: paging, sorting, row actions, and the message for an empty list.

The service sorts and pages; the browser gets one page. A click on a column title would make Streamlit sort the rows of
that page only, so it is taken as a column selection, which turns Streamlit's sorting off, and the service is asked for
that order.
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
NO_SELECTION: dict[str, Any] = {"selection": {"rows": [], "columns": [], "cells": []}}


@dataclass(frozen=True)
class Empty:
    """Why a list has no rows at all, and what to do; `action` draws the button for it."""

    why: str
    next_step: str
    action: Callable[[], object] | None = None


@dataclass
class Pages:
    """The user's place in a list: the cursors of the pages up to this one, for one query."""

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
    actions: Mapping[str, Callable[[Any], None]] | None = None,
    export: Export | None = None,
    empty: Empty | None = None,
    headline: bool = False,
    right: Callable[[], object] | None = None,
    height: int | None = None,
    draw: Callable[[Sequence[Any]], None] | None = None,
) -> live.Snapshot | None:
    """A list of the service at `path` (`items`, `total`, `next_cursor`), one page at a time.

    Args:
        key: unique in all pages; tests find the parts by it (`<key>.previous`, `.next`).
        counter: the counter word after a number of rows: 件, 台, 人.
        sorts: the service's sort keys with their labels; the first is the service's default.
        sort_name: the name of the order in the page's URL; a second table on a page needs another one.
        filters: from `filters.bar`; their values go to the service with `query`, and they show the number of rows.
        actions: label → what to do with the row: one is a button, several are a menu. They may open dialogs.
        export: how to export the list; it gets the query and the order.
        empty: the message when there are no rows and no filters.
        title: of the table; the main list of a page has none.
        right: draws the page's primary action, at the end of the title's row.
        height: of the grid in pixels, when not that of its rows.
        draw: draws the page's rows in place of the grid and its columns.

    Returns what is shown, or None when there is nothing and the reason is on the screen.
    """
    conditions = dict(query or {}) | (filters.query if filters else {})
    _run_action(key, actions or {})
    if sorts:
        bound.apply_values(sort_name)
    pages = _pages(key, conditions | _order(sorts, sort_name))
    cursor = pages.cursors[-1] if pages.cursors else None

    places: dict[str, DeltaGenerator] = {}

    def tools() -> None:
        """Reserves places that are filled when the rows are known. Without a title the tools stand on the left, because
        Streamlit's own buttons hang above the right end of the grid."""
        if sorts:
            _order_box(sorts, sort_name)
        places["export"] = st.container(width="content")
        if not title:
            places["count"] = st.container(width="content")
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
        # A cursor that is no longer valid must not block the user.
        pages.cursors.clear()
        return None
    items, total = reading.data["items"], reading.data["total"]
    pages.next_cursor = reading.data["next_cursor"]
    if not items and pages.cursors:
        pages.cursors.clear()
        st.rerun()  # The rows of this page no longer exist.
    if filters:
        filters.show_total(total, counter)
    if not items:
        _no_rows(filters, empty)
        return reading
    places.get("count", st).markdown(
        small(_range_text(pages.number, total, rows, counter, total_is_shown=filters is not None)), width="content"
    )
    if export:
        with places["export"]:
            exports.menu(key, export, pages.query, total, counter, narrowed=bool(filters and filters.active))
    if draw:
        draw(items)
    else:
        _grid(key, title, items, columns, sorts, sort_name, actions or {}, height)
    _pager(key, pages, max(pages.number, ceil(total / rows)))
    return reading


def _range_text(page: int, total: int, rows: int, counter: str, *, total_is_shown: bool) -> str:
    """Which rows are shown. `total_is_shown`: the total already stands next to the filters."""
    if total <= rows:
        return "" if total_is_shown else f"全{total:,}{counter}を表示しています"
    first = (page - 1) * rows + 1
    shown = f"{first:,}–{min(first + rows - 1, total):,}{counter}目を表示しています"
    return shown if total_is_shown else f"{total:,}{counter}のうち{shown}"


def _order(sorts: Mapping[str, str] | None, name: str) -> dict[str, str]:
    """The chosen order. Before its box is drawn for the first time, it may be in the URL only."""
    if not sorts:
        return {}
    default = next(iter(sorts))
    chosen = st.session_state.get(name)
    if chosen is None:
        by_label = {label: sort for sort, label in sorts.items()}
        chosen = by_label.get(st.query_params.get(name, ""))
    return {"sort": str(chosen) if chosen in sorts else default}


def _pages(key: str, query: dict[str, Any]) -> Pages:
    """Another filter or order starts at the first page."""
    slot = f"{key}.pages"
    pages: Pages | None = st.session_state.get(slot)
    if pages is None or pages.query != query:
        pages = st.session_state[slot] = Pages(query)
    return pages


def _order_box(sorts: Mapping[str, str], sort_name: str) -> None:
    st.selectbox(
        "並べ替え",
        [*sorts],
        format_func=lambda sort: sorts[sort],
        key=bound.page_key(sort_name),
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
    actions: Mapping[str, Callable[[Any], None]],
    height: int | None,
) -> None:
    cells = {column.title: [column.cell(item) for item in items] for column in columns}
    chosen = _order(sorts, sort_name).get("sort", "")
    config: dict[str, Any] = {
        column.title: column.draw(column.title + _sort_mark(column, chosen), cells[column.title]) for column in columns
    }
    if actions:
        labels = [*actions]
        cells[MENU_COLUMN] = [labels[0] if len(labels) == 1 else labels] * len(items)
        config[MENU_COLUMN] = st.column_config.ButtonColumn(
            MENU_COLUMN,
            width=_menu_width(labels),
            type="tertiary",
            key=f"{key}.action",
            on_click=_action_clicked,
            args=(key,),
        )
    # After a click on a title the grid gets a new key, so that no title is selected in it.
    number = bound.change_number(sort_name)
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


def _menu_width(labels: Sequence[str]) -> int:
    """In pixels: a single action is shown as its label, several behind one icon."""
    return max(56, 20 + 13 * len(labels[0])) if len(labels) == 1 else 56


def grid(
    key: str,
    alt: str,
    items: Sequence[Row],
    columns: Sequence[Column],
    *,
    height: Literal["content", "auto"] = "content",
) -> None:
    """Rows without paging, in the style of `table`; a click on a title sorts them in the browser. `height`: of all
    rows, or of at most ten with scrolling (auto)."""
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


def _sort_mark(column: Column, chosen: str) -> str:
    if not column.sort or chosen.removeprefix("-") != column.sort:
        return ""
    return " ▼" if chosen.startswith("-") else " ▲"


def _title_clicked(
    key: str, number: int, columns: Sequence[Column], sorts: Mapping[str, str] | None, sort_name: str
) -> None:
    chosen = st.session_state[f"{key}.grid.{number}"]["selection"]["columns"]
    st.session_state[f"{key}.grid.{number}"] = NO_SELECTION
    if number != bound.change_number(sort_name):
        return  # A repeat of a click that was handled already.
    for column in columns:
        if column.title in chosen and column.sort and sorts:
            orders = [sort for sort in (column.sort, f"-{column.sort}") if sort in sorts]
            current_order = _order(sorts, sort_name)["sort"]
            if orders:
                next_order = (
                    orders[(orders.index(current_order) + 1) % len(orders)] if current_order in orders else orders[0]
                )
                bound.set_values(sort_name, {sort_name: next_order})


def _action_clicked(key: str) -> None:
    """Stores the chosen action, with the row as it was shown."""
    click = st.session_state[f"{key}.action"]
    st.session_state[f"{key}.clicked"] = (click["label"], live.last_answer(key)["items"][click["row"]])


def _run_action(key: str, actions: Mapping[str, Callable[[Any], None]]) -> None:
    label, row = st.session_state.pop(f"{key}.clicked", (None, None))
    if label in actions:
        dialogs.open(actions[label], row)
        dialogs.rerun_if_changed()


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
        message = empty or Empty("まだ何も登録されていません", "登録されると、ここに並びます。")
        feedback.empty(message.why, message.next_step, action=message.action)
