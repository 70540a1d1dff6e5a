"""The row of key figures: three to six equal cards, each with its unit and, if asked for, its change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from dashboards.ui.text import markdown, small

CARD_WIDTH = 150  # Two in a row on a phone.
LOADING_HEIGHT = 104
# The direction that is good news.
Good = Literal["up", "down", "neither"]


@dataclass(frozen=True)
class Figure:
    """`value` with its unit, as shown (5台, 98.2%, ¥5,500); `-` when there is none.

    `change` is compared with `against` (前日比, 前週比), in `change_unit`; `good` is the good direction. `history`
    draws a sparkline, oldest first. `share` (0 to 1) draws a bar.
    """

    label: str
    value: str
    note: str = ""
    change: float | None = None
    change_unit: str = ""
    against: str = "前日比"
    good: Good = "up"
    history: Sequence[float] | None = None
    share: float | None = None
    help: str | None = None


def row(figures: Sequence[Figure], *, faded: bool = False) -> None:
    """`faded`: the figures are old, because there are no newer ones."""
    cards = st.grid(len(figures), min_column_width=CARD_WIDTH, border=True)
    for figure in figures:
        with cards.cell():
            _card(figure, faded)


def line(figure: Figure, *, faded: bool = False) -> None:
    """One figure on a line of its own, with the bar of its `share`."""
    value = f":gray[{figure.value}]" if faded else figure.value
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{figure.label}: **{value}**", width="content", help=figure.help)
        st.progress(figure.share or 0.0)
        if figure.note:
            st.markdown(small(markdown(figure.note)), width="content")


def loading(count: int = 4) -> None:
    cards = st.grid(count, min_column_width=CARD_WIDTH)
    for _ in range(count):
        with cards.cell():
            st.skeleton(LOADING_HEIGHT)


def _card(figure: Figure, faded: bool) -> None:
    color: Literal["normal", "inverse", "off"] = "off"
    if not faded and figure.good != "neither" and figure.change:
        color = "normal" if figure.good == "up" else "inverse"
    st.metric(
        figure.label,
        f":gray[{figure.value}]" if faded else figure.value,
        _signed(figure.change, figure.change_unit),
        color,
        delta_arrow="auto" if figure.change else "off",
        delta_description=figure.against if figure.change is not None else None,
        chart_data=figure.history,
        chart_type="area",
        help=figure.help,
    )
    if figure.note:
        st.markdown(small(markdown(figure.note)))
    if figure.share is not None:
        st.progress(figure.share)


def _signed(change: float | None, unit: str) -> str | None:
    """Streamlit reads the direction from the sign."""
    if change is None:
        return None
    prefix, suffix = affixes(unit)
    sign = "±" if change == 0 else "+" if change > 0 else "-"
    return f"{sign}{prefix}{amount(change)}{suffix}"


def affixes(unit: str) -> tuple[str, str]:
    """The prefix and suffix of an amount: money is written ¥12,345, all other units stand behind."""
    return (unit, "") if unit == "¥" else ("", unit)


def amount(change: float) -> str:
    """Without its sign, four digits of a fraction: 12,345 and 1.235, never 1.235e+04."""
    return f"{abs(change):,.0f}" if abs(change) >= 1000 else f"{abs(change):.4g}"
