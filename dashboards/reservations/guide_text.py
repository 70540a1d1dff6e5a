"""Shows a guide's text in Streamlit: the same blocks as on paper and on the public pages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import streamlit as st

from dashboards.contract.reservations import Section
from dashboards.ui.columns import Row
from dashboards.ui.text import plain

BOXES: Mapping[str, Callable[..., Any]] = {"info": st.info, "quiet": st.info, "warning": st.warning, "bad": st.error}
ICONS = {
    "info": ":material/lightbulb:",
    "quiet": ":material/notes:",
    "warning": ":material/warning:",
    "bad": ":material/priority_high:",
}


def show(sections: Iterable[Section]) -> None:
    for section in sections:
        if section["title"]:
            st.subheader(plain(section["title"]), anchor=False)
        for block in section["blocks"]:
            _block(block)


def _block(block: Row) -> None:
    match block["kind"]:
        case "dialogue":
            for line in block["lines"]:
                icon = ":material/smart_toy:" if line["is_machine"] else ":material/person:"
                with st.chat_message("assistant" if line["is_machine"] else "user", avatar=icon):
                    st.markdown(f"**{plain(line['who'])}**　{inline_markdown(line['words'])}")
        case "question":
            with st.expander(inline_markdown(block["words"])):
                for inner in block["blocks"]:
                    _block(inner)
        case "box":
            BOXES[block["tone"]](markdown([block]), icon=ICONS[block["tone"]])
        case "verbatim":
            st.code(block["text"], language=None, wrap_lines=True)
        case _:
            st.markdown(markdown([block]))


def markdown(blocks: Iterable[Row], indent: str = "") -> str:
    """The Markdown of blocks that can be inside another block."""
    return "\n\n".join(filter(None, (_markdown(block, indent) for block in blocks)))


def _markdown(block: Row, indent: str) -> str:
    match block["kind"]:
        case "paragraph":
            return indent + inline_markdown(block["words"])
        case "heading":
            return f"{indent}**{inline_markdown(block['words'], bold=True)}**"
        case "items":
            lines = []
            for number, entry in enumerate(block["entries"], 1):
                mark = f"{number}. " if block["numbered"] else "- "
                deeper = indent + " " * len(mark)
                lines.append(f"{indent}{mark}{markdown(entry, deeper).removeprefix(deeper)}")
            return "\n".join(lines)
        case "box":
            return f"{indent}**{plain(block['title'])}**\n\n{markdown(block['blocks'], indent)}"
        case "grid":
            return "\n".join(_rows(block, indent))
    return f"{indent}{plain(str(block.get('text', '')))}"


def _rows(grid: Row, indent: str) -> Iterable[str]:
    yield _row(grid["head"], indent)
    yield indent + "|" + " --- |" * len(grid["head"])
    for row in grid["rows"]:
        yield _row(row, indent)


def _row(cells: Iterable[Sequence[Row]], indent: str) -> str:
    return indent + "| " + " | ".join(inline_markdown(cell) for cell in cells) + " |"


def inline_markdown(runs: Iterable[Row], *, bold: bool = False) -> str:
    """`bold`: the text is inside of bold text already."""
    return "".join(_run(run, bold) for run in runs)


def _run(run: Row, bold: bool) -> str:
    if run["code"]:
        # A backtick inside would end it.
        return f"`{run['text'].replace('`', '')}`"
    text = "  \n".join(_spaced(line) for line in run["text"].split("\n"))
    if run["bold"] and not bold and text.strip():
        # Markdown sees the end of bold after a full stop only before a space.
        text = f"**{text}**" if text[-1] not in "。！？」）" else f"**{text}** "
    return f"[{text}]({run['href']})" if run["href"] else text


def _spaced(line: str) -> str:
    """`plain` removes the spaces at both ends, which separate two styles here."""
    return (
        " " * (len(line) - len(line.lstrip()))
        + plain(line)
        + " " * (len(line) - len(line.rstrip()) if line.strip() else 0)
    )
