"""What a report is made of. Pure: areas' rules build it, `render` prints it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from service.core.reports.colours import Tone
from service.core.reports.prose import Prose


@dataclass(frozen=True)
class Figure:
    """A card: what it is, the number, its unit, and what to compare it with."""

    label: str
    value: float | str
    unit: str = ""
    note: str = ""
    tone: Tone | None = None


@dataclass(frozen=True)
class Figures:
    cards: Sequence[Figure]
    across: int = 4


@dataclass(frozen=True)
class Badge:
    """A word in its colour, in a table's cell."""

    text: str
    tone: Tone


Cell = str | int | float | Badge | None


@dataclass(frozen=True)
class Column:
    """`width` is its share of what the page has left; 0 means as wide as what it holds, for numbers and badges only:
    such a column never breaks a line. Numbers stand at the right with `digits` after the point."""

    title: str
    width: float = 1
    right: bool = False
    digits: int | None = None


@dataclass(frozen=True)
class Table:
    """Its head stands on every page. `total` is a last row in bold; `empty` is said when there are no rows.
    `by_hand`: people write into it, so that rows are high and every cell has its edges."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    empty: str
    total: Sequence[Cell] | None = None
    by_hand: bool = False


@dataclass(frozen=True)
class Note:
    text: str


@dataclass(frozen=True)
class Written:
    """What people have written, with its line breaks; `empty` is said, paler, when that is nothing."""

    text: str
    empty: str


@dataclass(frozen=True)
class Series:
    """Values in the order of the chart's labels; None is a gap."""

    name: str
    values: Sequence[float | None]
    tone: Tone | None = None


@dataclass(frozen=True)
class LineChart:
    """Values over days or hours. `title` is the finding, not the subject."""

    title: str
    unit: str
    labels: Sequence[str]
    series: Sequence[Series]
    empty: str
    note: str = ""


@dataclass(frozen=True)
class BarChart:
    """Bars from zero, several series stacked. The last bar is pale when its time is not over."""

    title: str
    unit: str
    labels: Sequence[str]
    series: Sequence[Series]
    empty: str
    note: str = ""
    last_unfinished: bool = False


@dataclass(frozen=True)
class Part:
    name: str
    value: float
    tone: Tone | None = None


@dataclass(frozen=True)
class ShareBar:
    """One bar: how a whole divides."""

    title: str
    unit: str
    parts: Sequence[Part]
    empty: str
    note: str = ""


Block = Figures | Table | Note | Written | Prose | LineChart | BarChart | ShareBar


@dataclass(frozen=True)
class Section:
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Report:
    """`made_at` (aware) is the moment the facts were read: it is printed, and it is the file's date. `contents`: its
    sections are listed at its head."""

    title: str
    period: str
    made_at: datetime
    sections: Sequence[Section]
    maker: str = "Genba"
    contents: bool = False
