"""The parts of a detail: what is known about one thing, and two versions of it side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from dashboards.ui.text import plain, small

NOTHING = "–"


@dataclass(frozen=True)
class Code:
    """A number to be copied as it is: nothing in it is a link or an address."""

    text: str


def section(title: str, known: Mapping[str, object]) -> None:
    """Facts below a title; a single one that is called as its section stands beside the title."""
    if [*known] == [title]:
        facts(known, strong=True)
    else:
        st.markdown(f"**{title}**")
        facts(known)


def facts(known: Mapping[str, object], *, strong: bool = False) -> None:
    """A line each: the label, and what stands there. What is None or empty is shown as –."""
    for label, value in known.items():
        # On a phone the value stands below its label, and close to it.
        left, right = st.columns([1, 2], gap="xxsmall")
        left.markdown(f"**{label}**" if strong else small(label))
        if isinstance(value, Code):
            right.code(value.text, language=None, wrap_lines=True)
        else:
            right.markdown(plain(str(value)) if value not in (None, "") else small(NOTHING))


def sides(titles: Sequence[str], lines: Iterable[Sequence[str]], *, key: str) -> None:
    """Two versions, field by field. `lines` are Markdown: the field, and how it stands on either side."""
    with st.container(border=True, gap="small", key=key):
        for cells in ([f"**{title}**" for title in titles], *lines):
            for column, cell in zip(st.columns([1, 2, 2]), cells, strict=True):
                column.markdown(cell)
