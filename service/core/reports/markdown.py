"""Markdown as the sections of a report, so that one text becomes paper, a page and a screen. Pure.

`##` begins a section, `###` a heading in it, or a question where the text is all questions. A quotation that begins
with [!注意] is a box under that word; a fence named 対話 holds who says what (`お客様：…`), any other fence what is
shown as it is. Raw HTML is text.
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
    told,
)

DIALOGUE = "対話"
BOXES: Mapping[str, Tone] = {"ヒント": "info", "補足": "quiet", "注意": "warning", "重要": "bad"}
_LABEL = re.compile(r"^\[!(\w+)\]\s*")
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def escaped(text: str) -> str:
    """The text as it is, wherever in Markdown it comes to stand, on one line."""
    return _PUNCTUATION.sub(r"\\\1", " ".join(text.split()))


def sections(text: str, *, questions: bool = False) -> list[Section]:
    """Raises ValueError for what no block of ours shows (a picture, a line across, a box of an unknown name)."""
    found: list[tuple[str, list[Prose]]] = [("", [])]
    asked: tuple[Words, list[Prose]] | None = None

    def answered() -> None:
        nonlocal asked
        if asked is not None:
            found[-1][1].append(Question(*asked))
        asked = None

    for node in SyntaxTreeNode(_parser().parse(text)).children:
        if node.type == "heading" and node.tag == "h2":
            answered()
            found.append((told(_words(node)), []))
        elif node.type == "heading" and questions:
            answered()
            asked = (_words(node), [])
        else:
            (found[-1][1] if asked is None else asked[1]).append(_block(node))
    answered()
    return [Section(title, blocks) for title, blocks in found if title or blocks]


def _block(node: SyntaxTreeNode) -> Prose:
    match node.type:
        case "paragraph":
            return Paragraph(_words(node))
        case "heading":
            return Heading(_words(node))
        case "bullet_list" | "ordered_list":
            entries = [[_block(one) for one in item.children] for item in node.children]
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
    blocks = [_block(one) for one in node.children]
    first = blocks[0] if blocks else None
    label = _LABEL.match(first.words[0].text) if isinstance(first, Paragraph) else None
    if not isinstance(first, Paragraph) or label is None or label[1] not in BOXES:
        raise ValueError(f"a box begins with one of {', '.join(BOXES)}")
    rest = first.words[0].text[label.end() :]
    words = (*((Run(rest),) if rest else ()), *first.words[1:])
    kept: Sequence[Prose] = [Paragraph(words), *blocks[1:]] if words else blocks[1:]
    return Box(label[1], BOXES[label[1]], kept)


def _line(line: str) -> tuple[str, Words]:
    who, _, said = line.partition("：")
    [inline] = SyntaxTreeNode(_parser().parseInline(said.strip())).children
    return who.strip(), _runs(inline.children)


def _words(node: SyntaxTreeNode) -> Words:
    return tuple(run for one in node.children if one.type == "inline" for run in _runs(one.children))


def _runs(nodes: Sequence[SyntaxTreeNode], bold: bool = False, href: str = "") -> Words:
    """Neighbours of one style are one run."""
    found: list[Run] = []
    for node in nodes:
        match node.type:
            case "text" | "code_inline":
                new: Words = (Run(node.content, bold, node.type == "code_inline", href),)
            case "softbreak":
                # Japanese has no space where a line of the source ended.
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
            _append(found, run)
    return tuple(found)


def _append(found: list[Run], run: Run) -> None:
    """Between two Japanese words there is no space; Markdown needs one to see where bold ends after 」 or 。."""
    last = found[-1] if found else None
    before, after = last.text.rstrip(" ")[-1:] if last else "", run.text.lstrip(" ")[:1]
    if last and before and after and not (before.isascii() or after.isascii()):
        last = found[-1] = replace(last, text=last.text.rstrip(" "))
        run = replace(run, text=run.text.lstrip(" "))
    if last and (last.bold, last.code, last.href) == (run.bold, run.code, run.href):
        found[-1] = replace(last, text=last.text + run.text)
    elif run.text:
        found.append(run)
