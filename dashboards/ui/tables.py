"""The table for lists of the service: paging, sorting, row actions, and the message for an empty list.

The service sorts and pages; the browser gets one page and draws it (`dashboards/components/list.js`): a table, or cards
where there is little room. It sends back what is pressed, once for each press.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any, Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboards.ui import bound, dialogs, exports, feedback, live, preferences
from dashboards.ui.columns import Column, Row
from dashboards.ui.components import component
from dashboards.ui.exports import Export
from dashboards.ui.filters import Filters
from dashboards.ui.text import small, visible

PAGE_ROWS = 50

Actions = Mapping[str, Callable[[Any], None]]
BulkActions = Mapping[str, Callable[[list[Any]], None]]
ALT = "一覧"
# The user's preference: the titles of the columns that she does not want to see, by the list's key.
HIDDEN_COLUMNS = "lists.hidden"
# How often chosen rows were acted upon in this session.
_CLEARED = "lists.cleared"


@dataclass(frozen=True)
class Empty:
    """Why a list has no rows at all, and what to do; `action` draws the button for it."""

    why: str
    next_step: str
    action: Callable[[], object] | None = None


@dataclass(frozen=True)
class RowActions:
    """What can be done with rows: see `table`."""

    each: Actions
    chosen: BulkActions
    row_opens: bool = True
    address: Callable[[Any], str] | None = None
    id_field: str = "id"


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
    actions: Actions | None = None,
    row_opens: bool = True,
    address: Callable[[Any], str] | None = None,
    bulk: BulkActions | None = None,
    id_field: str = "id",
    export: Export | None = None,
    empty: Empty | None = None,
    headline: bool = False,
    right: Callable[[], object] | None = None,
    draw: Callable[[Sequence[Any]], None] | None = None,
) -> live.Snapshot | None:
    """A list of the service at `path` (`items`, `total`, `next_cursor`), one page at a time.

    Args:
        key: unique in all pages; tests find the parts by it (`<key>.previous`, `.next`).
        counter: the counter word after a number of rows: 件, 台, 人.
        sorts: the service's sort keys with their labels; the first is the service's default.
        sort_name: the name of the order in the page's URL; a second table on a page needs another one.
        filters: from `filters.bar`; their values go to the service with `query`, and they show the number of rows.
        actions: label → what to do with the row. The first is a button, further ones are a menu. They may open dialogs.
        row_opens: a click anywhere on the row is its first action. Not for what ends or removes something.
        address: of the row's page, where its first action opens one: the row's first cell is a link to it.
        bulk: label → what to do with the rows that the user has chosen.
        id_field: the field that identifies a row, for its actions.
        export: how to export the list; it gets the query and the order.
        empty: the message when there are no rows and no filters.
        title: of the table; the main list of a page has none.
        right: draws the page's primary action, at the end of the title's row.
        draw: draws the page's rows in place of the list and its columns.

    Returns what is shown, or None when there is nothing and the reason is on the screen.
    """
    conditions = dict(query or {}) | (filters.query if filters else {})
    row_actions = RowActions(actions or {}, bulk or {}, row_opens, address, id_field)
    _run_action(key, row_actions)
    if sorts:
        bound.apply_values(sort_name)
    pages = _pages(key, conditions | _order(sorts, sort_name))
    cursor = pages.cursors[-1] if pages.cursors else None

    places: dict[str, DeltaGenerator] = {}

    def tools() -> None:
        """Reserves places that are filled when the rows are known."""
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
        _draw(key, title, items, columns, sorts, sort_name, row_actions, conditions)
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


def _draw(
    key: str,
    title: str,
    items: Sequence[Row],
    columns: Sequence[Column],
    sorts: Mapping[str, str] | None,
    sort_name: str,
    actions: RowActions,
    conditions: Mapping[str, Any],
) -> None:
    chosen = _order(sorts, sort_name).get("sort", "")
    titles = [_title(column, sort=bool(sorts and _orders(column, sorts)), chosen=chosen) for column in columns]
    _list(
        key,
        {"alt": title or ALT, "columns": titles},
        items,
        columns,
        actions,
        conditions,
        on_sort_change=lambda: _title_pressed(key, columns, sorts or {}, sort_name),
    )


def grid(
    key: str,
    alt: str,
    items: Sequence[Row],
    columns: Sequence[Column],
    *,
    height: Literal["content", "auto"] = "content",
    actions: Actions | None = None,
    address: Callable[[Any], str] | None = None,
    bulk: BulkActions | None = None,
    conditions: Mapping[str, Any] | None = None,
) -> None:
    """Rows without paging, in the style of `table`; a press on a title sorts them in the browser. `height`: of all
    rows, or of at most ten with scrolling (auto). The actions are those of `table`. `conditions`: of the rows; when
    they change, none is chosen any more."""
    row_actions = RowActions(actions or {}, bulk or {}, address=address)
    _run_action(key, row_actions)
    titles = [_title(column) for column in columns]
    data = {"alt": alt, "columns": titles, "local": True, "scrolls": height == "auto"}
    _list(key, data, items, columns, row_actions, conditions or {})


def clear_selection() -> None:
    """The chosen rows were acted upon: when their list is drawn again, none is chosen."""
    st.session_state[_CLEARED] = st.session_state.get(_CLEARED, 0) + 1


def _shown(cell: Any) -> Any:
    return visible(cell) if isinstance(cell, str) else cell


def _list(
    key: str,
    data: Mapping[str, Any],
    items: Sequence[Row],
    columns: Sequence[Column],
    actions: RowActions,
    conditions: Mapping[str, Any],
    **callbacks: Callable[[], None],
) -> None:
    by_id: dict[str, Any] = {}
    for index, item in enumerate(items):
        row_id = _row_id(key, item, index, actions)
        by_id[row_id if row_id not in by_id else f"{row_id}.{index}"] = item
    st.session_state[f"{key}.rows"] = by_id
    defaults = {
        "hidden": preferences.get(HIDDEN_COLUMNS, dict[str, list[str]]()).get(key, []),
        "rows": [
            {
                "id": row_id,
                "href": actions.address(item) if actions.address else None,
                "cells": [_shown(column.cell(item)) for column in columns],
                "hints": {column.title: visible(column.hint(item)) for column in columns if column.hint},
                "sort_values": _sort_values(item, columns) if data.get("local") else {},
            }
            for row_id, item in by_id.items()
        ],
        "actions": [*actions.each],
        "opens": actions.row_opens and bool(actions.each),
        "bulk": [*actions.chosen],
        "selection": f"{conditions} {st.session_state.get(_CLEARED, 0)}",
        "local": False,
        "scrolls": False,
    }
    component("list", '<div class="list"></div>', css="list.css")(
        key=f"{key}.list",
        data=defaults | dict(data),
        on_action_change=lambda: _action_pressed(key),
        on_bulk_change=lambda: _bulk_pressed(key),
        on_hidden_change=lambda: _columns_chosen(key),
        **callbacks,
    )


def _title(column: Column, *, sort: bool = False, chosen: str = "") -> dict[str, Any]:
    order = "descending" if chosen.startswith("-") else "ascending"
    is_chosen = sort and chosen.removeprefix("-") == column.sort
    return {
        "title": column.title,
        "kind": column.kind,
        "width": column.width,
        "right": column.right,
        "help": column.help,
        "sort": sort,
        "order": order if is_chosen else None,
    }


def _row_id(key: str, item: Row, index: int, actions: RowActions) -> str:
    """Where rows are figures and no records, their place in the list: nothing can be done with them."""
    row_id = item.get(actions.id_field)
    if row_id is None and (actions.each or actions.chosen):
        raise ValueError(
            f"{key}: its actions need rows that have {actions.id_field!r}; name the row's id as `id_field`."
        )
    return str(index if row_id is None else row_id)


def _sort_values(item: Row, columns: Sequence[Column]) -> dict[str, float | None]:
    return {column.title: column.sort_value(item) for column in columns if column.sort_value}


def _orders(column: Column, sorts: Mapping[str, str]) -> list[str]:
    return [sort for sort in (column.sort, f"-{column.sort}") if sort in sorts] if column.sort else []


def _title_pressed(key: str, columns: Sequence[Column], sorts: Mapping[str, str], sort_name: str) -> None:
    title = st.session_state[f"{key}.list"]["sort"]
    orders = next((_orders(column, sorts) for column in columns if column.title == title), [])
    if orders:
        current = _order(sorts, sort_name)["sort"]
        following = orders[(orders.index(current) + 1) % len(orders)] if current in orders else orders[0]
        bound.set_values(sort_name, {sort_name: following})


def _columns_chosen(key: str) -> None:
    hidden = st.session_state[f"{key}.list"]["hidden"]
    preferences.change(HIDDEN_COLUMNS, dict[str, list[str]](), lambda stored: stored | {key: hidden})


def _action_pressed(key: str) -> None:
    """Stores the chosen action, with the row as it was shown."""
    pressed, rows = st.session_state[f"{key}.list"]["action"], st.session_state[f"{key}.rows"]
    if pressed["id"] in rows:
        st.session_state[f"{key}.clicked"] = (pressed["label"], rows[pressed["id"]])


def _bulk_pressed(key: str) -> None:
    pressed, rows = st.session_state[f"{key}.list"]["bulk"], st.session_state[f"{key}.rows"]
    st.session_state[f"{key}.clicked"] = (pressed["label"], [rows[row] for row in pressed["ids"] if row in rows])


def _run_action(key: str, actions: RowActions) -> None:
    label, chosen = st.session_state.pop(f"{key}.clicked", (None, None))
    if isinstance(chosen, list):
        if label in actions.chosen and chosen:
            dialogs.open(actions.chosen[label], chosen)
    elif label in actions.each:
        dialogs.open(actions.each[label], chosen)
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
