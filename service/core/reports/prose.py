"""Running text of manuals, in addition to figures and tables. Pure; `markdown` reads it, and paper, public pages and
dashboards show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.core.reports.colours import Tone


@dataclass(frozen=True)
class Run:
    """A part of a sentence in one style. `href` is a full URL, because the same text is printed."""

    text: str
    bold: bool = False
    code: bool = False
    href: str = ""


Words = tuple[Run, ...]
MACHINE_SPEAKERS = ("AI", "自動音声")


@dataclass(frozen=True)
class Paragraph:
    words: Words


@dataclass(frozen=True)
class Heading:
    """A heading inside a section."""

    words: Words


@dataclass(frozen=True)
class Items:
    """A list; `numbered`: steps in this order."""

    entries: Sequence[Sequence[Prose]]
    numbered: bool = False


@dataclass(frozen=True)
class Box:
    """A highlighted box with a title."""

    title: str
    tone: Tone
    blocks: Sequence[Prose]


@dataclass(frozen=True)
class Dialogue:
    """Lines as (speaker, words). The lines of machines have another background."""

    lines: Sequence[tuple[str, Words]]


@dataclass(frozen=True)
class Question:
    """A question with its answer (`blocks`)."""

    words: Words
    blocks: Sequence[Prose]


@dataclass(frozen=True)
class Verbatim:
    """Text that is shown exactly as it is: a message, a command, a file."""

    text: str


@dataclass(frozen=True)
class Grid:
    """A table of sentences, with line breaks; `model.Table` is for figures."""

    head: Sequence[Words]
    rows: Sequence[Sequence[Words]]


Prose = Paragraph | Heading | Items | Box | Dialogue | Question | Verbatim | Grid


def plain_text(words: Words) -> str:
    """The text without styles."""
    return "".join(run.text for run in words)
