"""Column kinds that tables share, without pandas Styler, which takes seconds where these take none."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from dashboards.ui.status import UNKNOWN, Status


def status_column(label: str, kinds: Mapping[str, Status]) -> ColumnConfig:
    """A coloured badge with its word. The cells are lists, as made by `status_cell`."""
    statuses = [*kinds.values(), UNKNOWN]
    return st.column_config.MultiselectColumn(
        label,
        width=120,
        options=[status.word for status in statuses],
        color=[status.color for status in statuses],
    )


def status_cell(code: str, kinds: Mapping[str, Status]) -> list[str]:
    return [kinds.get(code, UNKNOWN).word]


def count_column(label: str, *, width: int, help: str | None = None) -> ColumnConfig:
    return st.column_config.NumberColumn(label, format="localized", width=width, help=help)


def percent_column(label: str, *, width: int) -> ColumnConfig:
    return st.column_config.NumberColumn(label, format="%d%%", width=width)
