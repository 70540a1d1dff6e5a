"""Column types for tables, without pandas Styler, which takes seconds where these take none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from dashboards.ui import figures, times
from dashboards.ui.status import UNKNOWN, Status

Row = Mapping[str, Any]
AGO_WIDTH, STAMP_WIDTH = 158, 164


@dataclass(frozen=True)
class Column:
    """A title, the cell's value for a row, and how Streamlit draws it: `draw(label, cells)`.

    `sort` is the service's sort key, used when the user clicks the title.
    """

    title: str
    cell: Callable[[Any], Any]
    draw: Callable[[str, Sequence[Any]], ColumnConfig]
    sort: str = ""


def text(
    title: str,
    field: str | Callable[[Any], Any],
    *,
    width: int | None = None,
    alignment: Literal["left", "right"] = "left",
    sort: str = "",
) -> Column:
    """`alignment` is for numbers in a format of their own."""

    def draw(label: str, _: Sequence[Any]) -> ColumnConfig:
        return st.column_config.TextColumn(label, width=width, alignment=alignment)

    return Column(title, _value(field), draw, sort)


def badge(
    title: str,
    field: str | Callable[[Any], str],
    kinds: Mapping[str, Status],
    *,
    width: int = 124,
    help: str | None = None,
    sort: str = "",
) -> Column:
    """A status: its label on its colour."""
    statuses, code = [*kinds.values(), UNKNOWN], _value(field)

    def draw(label: str, _: Sequence[Any]) -> ColumnConfig:
        return st.column_config.MultiselectColumn(
            label,
            width=width,
            options=[status.label for status in statuses],
            color=[status.color for status in statuses],
            help=help,
        )

    return Column(title, lambda row: [kinds.get(code(row), UNKNOWN).label], draw, sort)


def badges(
    title: str, field: Callable[[Any], Sequence[str]], kinds: Mapping[str, Status], *, width: int = 124
) -> Column:
    """Any number of statuses, each as in `badge`."""
    statuses = [*kinds.values()]

    def draw(label: str, _: Sequence[Any]) -> ColumnConfig:
        return st.column_config.MultiselectColumn(
            label,
            width=width,
            options=[status.label for status in statuses],
            color=[status.color for status in statuses],
        )

    return Column(title, lambda row: [kinds[code].label for code in field(row)], draw)


def number(
    title: str, field: str | Callable[[Any], Any], *, width: int = 84, help: str | None = None, sort: str = ""
) -> Column:
    """Right-aligned, with thousands separators. The unit is in the title."""
    return _number(title, field, "localized", width, help, sort)


def percent(title: str, field: str | Callable[[Any], Any], *, width: int = 72, sort: str = "") -> Column:
    return _number(title, field, "%d%%", width, None, sort)


def money(title: str, field: str | Callable[[Any], Any], *, width: int = 104, sort: str = "") -> Column:
    return _number(title, field, "¥%,d", width, None, sort)


def ago(title: str, field: str, *, missing: str = "–", sort: str = "") -> Column:
    """12分前（9:15）, from an ISO time of the service. The column is wide enough for every value."""

    def cell(row: Row) -> str:
        if not row[field]:
            return missing
        at = times.parse(row[field])
        return f"{times.ago_rounded(at)}（{times.short(at)}）"

    return Column(title, cell, lambda label, _: st.column_config.TextColumn(label, width=AGO_WIDTH), sort)


def stamp(title: str, field: str, *, missing: str = "–", sort: str = "") -> Column:
    """2026/11/21（土）9:05, from an ISO time of the service."""

    def cell(row: Row) -> str:
        return times.stamp(row[field]) or missing

    return Column(title, cell, lambda label, _: st.column_config.TextColumn(label, width=STAMP_WIDTH), sort)


def trend(
    title: str,
    field: str | Callable[[Any], Any],
    *,
    good: Literal["up", "down"] = "up",
    unit: str = "%",
    width: int = 100,
) -> Column:
    """A change as an arrow and a number; green when the change is good, red when not."""
    colors = {"↑": "green" if good == "up" else "red", "↓": "red" if good == "up" else "green", "→": "gray"}
    value = _value(field)

    def cell(row: Row) -> list[str]:
        change = value(row)
        if change is None:
            return []
        return [f"{'↑' if change > 0 else '↓' if change < 0 else '→'} {figures.amount(change)}{unit}"]

    def draw(label: str, cells: Sequence[Any]) -> ColumnConfig:
        arrow_texts = sorted({arrow_text for arrow_texts in cells for arrow_text in arrow_texts})
        return st.column_config.MultiselectColumn(
            label, width=width, options=arrow_texts, color=[colors[arrow_text[0]] for arrow_text in arrow_texts]
        )

    return Column(title, cell, draw)


def _number(
    title: str, field: str | Callable[[Any], Any], format: str, width: int, help: str | None, sort: str
) -> Column:
    def draw(label: str, _: Sequence[Any]) -> ColumnConfig:
        return st.column_config.NumberColumn(label, format=format, width=width, help=help)

    return Column(title, _value(field), draw, sort)


def _value(field: str | Callable[[Any], Any]) -> Callable[[Any], Any]:
    return field if callable(field) else lambda row: row[field]
