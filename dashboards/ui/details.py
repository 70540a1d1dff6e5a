"""The parts of a detail view: the facts about a record, and two versions of it side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from dashboards.ui.text import Markdown, addresses, plain, small, visible

NOTHING = "–"


@dataclass(frozen=True)
class Code:
    """A text to copy exactly: nothing in it becomes a link. `link`: what else one can do with it."""

    text: str
    link: Markdown | None = None


def section(title: str, values: Mapping[str, object]) -> None:
    """Facts below a title; a single fact with the section's title stands on the title's line."""
    if [*values] == [title]:
        facts(values, strong=True)
    else:
        st.markdown(f"**{title}**")
        facts(values)


def facts(values: Mapping[str, object], *, strong: bool = False) -> None:
    """One line per label and value. None and empty values are shown as –; telephone numbers and mail addresses come
    from `links.telephone` and `links.mail`."""
    for label, value in values.items():
        # On a phone the value stands below its label, and close to it.
        left, right = st.columns([1, 2], gap="xxsmall")
        left.markdown(f"**{label}**" if strong else small(label))
        with right:
            if isinstance(value, Code):
                _copyable(value.text)
                if value.link:
                    st.markdown(value.link)
            elif isinstance(value, Markdown):
                st.markdown(value or small(NOTHING))
            elif value in (None, ""):
                st.markdown(small(NOTHING))
            else:
                free_text(str(value))


def free_text(text: str) -> None:
    """What somebody wrote, with its line breaks. The web and mail addresses in it are no links; they can be copied."""
    if text and addresses(text) != [text.strip()]:
        st.markdown(plain(text))
    copies(text)


def letter(text: str) -> None:
    """A mail, an SMS or a report as it was typed, indents included. Addresses as in `free_text`."""
    st.text(visible(text))
    copies(text)


def copies(text: str) -> None:
    """The addresses in a text that stands above, each with a button that copies it."""
    for address in addresses(text):
        _copyable(address)


def _copyable(text: str) -> None:
    st.code(visible(text), language=None, wrap_lines=True)


def sides(titles: Sequence[str], lines: Iterable[Sequence[str]], *, key: str) -> None:
    """Two versions, field by field. `lines` are Markdown: the field, and its value in each version."""
    with st.container(border=True, gap="small", key=key):
        for cells in ([f"**{title}**" for title in titles], *lines):
            for column, cell in zip(st.columns([1, 2, 2]), cells, strict=True):
                column.markdown(cell)
