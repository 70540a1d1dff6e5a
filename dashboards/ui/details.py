"""The parts of a detail view: the facts about a record, and two versions of it side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from dashboards.ui.text import plain, small

NOTHING = "–"


@dataclass(frozen=True)
class Code:
    """A text to copy exactly: nothing in it becomes a link."""

    text: str


def section(title: str, values: Mapping[str, object]) -> None:
    """Facts below a title; a single fact with the section's title stands on the title's line."""
    if [*values] == [title]:
        facts(values, strong=True)
    else:
        st.markdown(f"**{title}**")
        facts(values)


def facts(values: Mapping[str, object], *, strong: bool = False) -> None:
    """One line per label and value. None and empty values are shown as –."""
    for label, value in values.items():
        # On a phone the value stands below its label, and close to it.
        left, right = st.columns([1, 2], gap="xxsmall")
        left.markdown(f"**{label}**" if strong else small(label))
        if isinstance(value, Code):
            right.code(value.text, language=None, wrap_lines=True)
        else:
            right.markdown(plain(str(value)) if value not in (None, "") else small(NOTHING))


def sides(titles: Sequence[str], lines: Iterable[Sequence[str]], *, key: str) -> None:
    """Two versions, field by field. `lines` are Markdown: the field, and its value in each version."""
    with st.container(border=True, gap="small", key=key):
        for cells in ([f"**{title}**" for title in titles], *lines):
            for column, cell in zip(st.columns([1, 2, 2]), cells, strict=True):
                column.markdown(cell)
