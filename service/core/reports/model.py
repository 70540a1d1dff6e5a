"""The parts of a report. Pure: areas' rules build it, `render` prints it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from service.core.reports.colours import Tone
from service.core.reports.prose import Prose


@dataclass(frozen=True)
class Figure:
    """A card: its label, the number, its unit, and a note for comparison."""

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
    """A short coloured text in a table's cell."""

    text: str
    tone: Tone


Cell = str | int | float | Badge | None


@dataclass(frozen=True)
class Column:
    """`width` is the column's share of the remaining page width; 0 means as wide as its content, only for numbers and
    badges, because such a column never breaks a line. `right` aligns right; numbers have `digits` decimals."""

    title: str
    width: float = 1
    right: bool = False
    digits: int | None = None


@dataclass(frozen=True)
class Table:
    """The header is repeated on every page. `total` is a last row in bold; `empty` is the text when there are no rows.
    `by_hand`: to be filled in with a pen, so rows are high and every cell has borders."""

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
    """A text that a user has written, with its line breaks; `empty` is shown paler when there is none."""

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
    """Values over days or hours. `title` states the finding, not the subject."""

    title: str
    unit: str
    labels: Sequence[str]
    series: Sequence[Series]
    empty: str
    note: str = ""


@dataclass(frozen=True)
class BarChart:
    """Bars from zero, several series stacked. `last_unfinished`: the last bar is pale, because its period is not
    over."""

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
    """One bar that shows the parts of a whole."""

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
    """`made_at` (timezone-aware) is when the data was read: it is printed, and it is the file's date. `contents`: a
    table of contents at the beginning."""

    title: str
    period: str
    made_at: datetime
    sections: Sequence[Section]
    maker: str = "Genba"
    contents: bool = False
