"""Markdown as the sections of a report, so that one text is shown on paper, public pages and dashboards. Pure.

`##` begins a section, `###` a heading in it, or a question where the text is a list of questions. A quotation that
begins with [!注意] is a box with that title; a fence named 対話 is a dialogue (`お客様：…`), any other fence is shown
verbatim. Raw HTML is text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from service.core.reports.colours import Tone
from service.core.reports.model import Section
from service.core.reports.prose import (
    Box,
    Dialogue,
    Grid,
    Heading,
    Items,
    Paragraph,
    Prose,
    Question,
    Run,
    Verbatim,
    Words,
    plain_text,
)

DIALOGUE = "対話"
BOXES: Mapping[str, Tone] = {"ヒント": "info", "補足": "quiet", "注意": "warning", "重要": "bad"}
_LABEL = re.compile(r"^\[!(\w+)\]\s*")
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def escaped(text: str) -> str:
    """The text on one line, escaped for any place in Markdown."""
    return _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))


def sections(text: str, *, questions: bool = False) -> list[Section]:
    """Raises ValueError for elements without a block (an image, a horizontal rule, a box with an unknown title)."""
    section_list: list[tuple[str, list[Prose]]] = [("", [])]
    question: tuple[Words, list[Prose]] | None = None

    def close_question() -> None:
        nonlocal question
        if question is not None:
            section_list[-1][1].append(Question(*question))
        question = None

    for node in SyntaxTreeNode(_parser().parse(text)).children:
        if node.type == "heading" and node.tag == "h2":
            close_question()
            section_list.append((plain_text(_words(node)), []))
        elif node.type == "heading" and questions:
            close_question()
            question = (_words(node), [])
        else:
            (section_list[-1][1] if question is None else question[1]).append(_block(node))
    close_question()
    return [Section(title, blocks) for title, blocks in section_list if title or blocks]


def _block(node: SyntaxTreeNode) -> Prose:
    match node.type:
        case "paragraph":
            return Paragraph(_words(node))
        case "heading":
            return Heading(_words(node))
        case "bullet_list" | "ordered_list":
            entries = [[_block(child) for child in item.children] for item in node.children]
            return Items(entries, node.type == "ordered_list")
        case "blockquote":
            return _box(node)
        case "fence":
            if node.info.strip() == DIALOGUE:
                return Dialogue([_line(line) for line in node.content.strip().splitlines()])
            return Verbatim(node.content.rstrip("\n"))
        case "table":
            rows = [[_words(cell) for cell in row.children] for part in node.children for row in part.children]
            return Grid(rows[0], rows[1:])
    raise ValueError(f"no block shows {node.type}")


def _box(node: SyntaxTreeNode) -> Box:
    blocks = [_block(child) for child in node.children]
    first = blocks[0] if blocks else None
    label = _LABEL.match(first.words[0].text) if isinstance(first, Paragraph) else None
    if not isinstance(first, Paragraph) or label is None or label[1] not in BOXES:
        raise ValueError(f"a box begins with one of {', '.join(BOXES)}")
    remaining_text = first.words[0].text[label.end() :]
    words = (*((Run(remaining_text),) if remaining_text else ()), *first.words[1:])
    content: Sequence[Prose] = [Paragraph(words), *blocks[1:]] if words else blocks[1:]
    return Box(label[1], BOXES[label[1]], content)


def _line(line: str) -> tuple[str, Words]:
    speaker, _, text = line.partition("：")
    [inline] = SyntaxTreeNode(_parser().parseInline(text.strip())).children
    return speaker.strip(), _runs(inline.children)


def _words(node: SyntaxTreeNode) -> Words:
    return tuple(run for child in node.children if child.type == "inline" for run in _runs(child.children))


def _runs(nodes: Sequence[SyntaxTreeNode], bold: bool = False, href: str = "") -> Words:
    """The text as runs; adjacent texts of the same style are one run."""
    runs: list[Run] = []
    for node in nodes:
        match node.type:
            case "text" | "code_inline":
                new: Words = (Run(node.content, bold, node.type == "code_inline", href),)
            case "softbreak":
                # A line end in the source is not a space in Japanese text.
                continue
            case "hardbreak":
                new = (Run("\n", bold, False, href),)
            case "strong":
                new = _runs(node.children, True, href)
            case "link":
                new = _runs(node.children, bold, str(node.attrs["href"]))
            case _:
                raise ValueError(f"no text shows {node.type}")
        for run in new:
            _append(runs, run)
    return tuple(runs)


def _append(runs: list[Run], run: Run) -> None:
    """Appends the run, without a space between two Japanese characters: Markdown needs that space to end bold text
    after 」 or 。."""
    last = runs[-1] if runs else None
    before, after = last.text.rstrip(" ")[-1:] if last else "", run.text.lstrip(" ")[:1]
    if last and before and after and not (before.isascii() or after.isascii()):
        last = runs[-1] = replace(last, text=last.text.rstrip(" "))
        run = replace(run, text=run.text.lstrip(" "))
    if last and (last.bold, last.code, last.href) == (run.bold, run.code, run.href):
        runs[-1] = replace(last, text=last.text + run.text)
    elif run.text:
        runs.append(run)
