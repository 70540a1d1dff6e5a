"""Column types for lists: what a cell says, and how much room it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from dashboards.ui import figures, times
from dashboards.ui.status import UNKNOWN, Status

Row = Mapping[str, Any]
# Labels with their colours, a number, a text, or nothing.
Cell = list[tuple[str, str]] | int | float | str | None
Kind = Literal["text", "badge", "number", "percent", "money"]
AGO_WIDTH, STAMP_WIDTH = 158, 164


@dataclass(frozen=True)
class Column:
    """`cell`: the value for a row. `width`: in pixels where there is room; narrow pages shrink all columns. `sort`: the
    service's sort key, used when the user presses the title. `hint`: shown at the pointer. `sort_value`: what the
    browser sorts by in a `tables.grid`, where the cell's words have another order; None comes last."""

    title: str
    cell: Callable[[Any], Cell]
    kind: Kind = "text"
    width: int | None = None
    right: bool = False
    help: str = ""
    sort: str = ""
    hint: Callable[[Any], str] | None = None
    sort_value: Callable[[Any], float | None] | None = None


def text(
    title: str,
    field: str | Callable[[Any], Any],
    *,
    width: int | None = None,
    alignment: Literal["left", "right"] = "left",
    sort: str = "",
    hint: Callable[[Any], str] | None = None,
    sort_value: str | Callable[[Any], float | None] | None = None,
) -> Column:
    """`alignment` is for numbers in a format of their own."""
    value = _value(field)

    def cell(row: Row) -> Cell:
        found = value(row)
        return None if found is None else str(found)

    return Column(
        title,
        cell,
        width=width,
        right=alignment == "right",
        sort=sort,
        hint=hint,
        sort_value=None if sort_value is None else _value(sort_value),
    )


def badge(
    title: str,
    field: str | Callable[[Any], str],
    kinds: Mapping[str, Status],
    *,
    width: int = 124,
    help: str = "",
    sort: str = "",
) -> Column:
    """A status: its label on its colour."""
    code = _value(field)
    return Column(title, lambda row: [_label(kinds.get(code(row), UNKNOWN))], "badge", width, help=help, sort=sort)


def badges(
    title: str, field: Callable[[Any], Sequence[str]], kinds: Mapping[str, Status], *, width: int = 124
) -> Column:
    """Any number of statuses, each as in `badge`."""
    return Column(title, lambda row: [_label(kinds.get(code, UNKNOWN)) for code in field(row)], "badge", width)


def number(title: str, field: str | Callable[[Any], Any], *, width: int = 84, help: str = "", sort: str = "") -> Column:
    """Right-aligned, with thousands separators. The unit is in the title."""
    return Column(title, _value(field), "number", width, right=True, help=help, sort=sort)


def percent(title: str, field: str | Callable[[Any], Any], *, width: int = 72, sort: str = "") -> Column:
    return Column(title, _value(field), "percent", width, right=True, sort=sort)


def money(title: str, field: str | Callable[[Any], Any], *, width: int = 104, sort: str = "") -> Column:
    return Column(title, _value(field), "money", width, right=True, sort=sort)


def ago(title: str, field: str, *, missing: str = "–", sort: str = "") -> Column:
    """12分前（9:15）, from an ISO time of the service. The column is wide enough for every value."""

    def cell(row: Row) -> str:
        if not row[field]:
            return missing
        at = times.parse(row[field])
        return f"{times.ago_rounded(at)}（{times.short(at)}）"

    return Column(title, cell, width=AGO_WIDTH, sort=sort, sort_value=_moment(field))


def stamp(title: str, field: str, *, missing: str = "–", sort: str = "") -> Column:
    """2026/11/21（土）9:05, from an ISO time of the service."""

    def cell(row: Row) -> str:
        return times.stamp(row[field]) or missing

    return Column(title, cell, width=STAMP_WIDTH, sort=sort, sort_value=_moment(field))


def trend(
    title: str,
    field: str | Callable[[Any], Any],
    *,
    good: Literal["up", "down"] = "up",
    unit: str = "%",
    width: int = 100,
) -> Column:
    """A change as an arrow and a number; green when the change is good, red when not."""
    up, down = ("green", "red") if good == "up" else ("red", "green")
    value = _value(field)

    def cell(row: Row) -> Cell:
        change = value(row)
        if change is None:
            return None
        arrow, color = ("↑", up) if change > 0 else ("↓", down) if change < 0 else ("→", "gray")
        return [(f"{arrow} {figures.amount(change)}{unit}", color)]

    return Column(title, cell, "badge", width, sort_value=value)


def _moment(field: str) -> Callable[[Row], float | None]:
    return lambda row: times.parse(row[field]).timestamp() if row[field] else None


def _label(status: Status) -> tuple[str, str]:
    return status.label, status.color


def _value(field: str | Callable[[Any], Any]) -> Callable[[Any], Any]:
    return field if callable(field) else lambda row: row[field]
