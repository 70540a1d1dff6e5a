"""Running text: what manuals are made of beside figures and tables. Pure; `markdown` reads it, paper, public pages and
dashboards show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.core.reports.colours import Tone


@dataclass(frozen=True)
class Run:
    """A piece of a sentence in one style. `href` is a whole address: the same text is read on paper."""

    text: str
    bold: bool = False
    code: bool = False
    href: str = ""


Words = tuple[Run, ...]
MACHINES = ("AI", "自動音声")


@dataclass(frozen=True)
class Paragraph:
    words: Words


@dataclass(frozen=True)
class Heading:
    """Below the title of a section."""

    words: Words


@dataclass(frozen=True)
class Items:
    """A list; `numbered`: steps that are done in this order."""

    entries: Sequence[Sequence[Prose]]
    numbered: bool = False


@dataclass(frozen=True)
class Box:
    """What must not be passed over, under a word for what it is."""

    title: str
    tone: Tone
    blocks: Sequence[Prose]


@dataclass(frozen=True)
class Dialogue:
    """Who says what, in this order. What machines say stands on a ground of its own."""

    lines: Sequence[tuple[str, Words]]


@dataclass(frozen=True)
class Question:
    """With its answer."""

    words: Words
    blocks: Sequence[Prose]


@dataclass(frozen=True)
class Verbatim:
    """Word for word, line for line: a message, a command, a file."""

    text: str


@dataclass(frozen=True)
class Grid:
    """A table of sentences, which break; `model.Table` is for figures."""

    head: Sequence[Words]
    rows: Sequence[Sequence[Words]]


Prose = Paragraph | Heading | Items | Box | Dialogue | Question | Verbatim | Grid


def told(words: Words) -> str:
    """Without its styles."""
    return "".join(run.text for run in words)
