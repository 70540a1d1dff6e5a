"""Sheets of labels: a QR code or a Code 128 bar code and lines of text, for A4 label stock. Print at 100 %."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Literal

from service.core.printing import code128
from service.core.problems import Invalid
from service.core.reports.typeset import CodeDoesNotFit, typeset
from service.core.values.labels import table

Symbology = Literal["qr", "code128"]

# The smallest module, in millimetres, that hand-held readers and office printers can handle.
MIN_MODULE: dict[Symbology, float] = {"qr": 0.33, "code128": 0.19}
# Margin to a label's edge, because sheets are never quite straight in the printer.
EDGE = 1.5
BAR_HEIGHT = 0.5


@dataclass(frozen=True)
class Stock:
    """Labels on an A4 sheet, in millimetres: the size of one, the pitch to the next, the corner of the first."""

    name: str
    columns: int
    rows: int
    width: float
    height: float
    pitch_x: float
    pitch_y: float
    left: float
    top: float

    @property
    def places(self) -> int:
        return self.columns * self.rows


def _centred(name: str, columns: int, rows: int, width: float, height: float, gap_x: float = 0) -> Stock:
    """Stock whose labels are centred on the sheet."""
    left = (210 - columns * width - (columns - 1) * gap_x) / 2
    top = (297 - rows * height) / 2
    return Stock(name, columns, rows, width, height, width + gap_x, height, round(left, 2), round(top, 2))


# Common sizes in Japanese offices, entered without the manufacturers' data: see docs/reports.md.
STOCKS = {
    "24": _centred("24面（66×33.9mm）", 3, 8, 66.0, 33.9),
    "44": _centred("44面（48.3×25.4mm）", 4, 11, 48.3, 25.4),
    "65": _centred("65面（38.1×21.2mm）", 5, 13, 38.1, 21.2, gap_x=2.5),
}
table("core", "LabelStock", {layout: stock.name for layout, stock in STOCKS.items()})


def stock_for(layout: str, start: int) -> Stock:
    """The stock of that name. Raises Invalid for a start position that its sheet does not have."""
    stock = STOCKS[layout]
    if start > stock.places:
        message = f"開始位置は1から{stock.places}の間で指定してください。"
        raise Invalid(f"{stock.name}の用紙は{stock.places}面です。{message}", [("start", message)])
    return stock


@dataclass(frozen=True)
class Label:
    """The coded text, and the readable lines: the first one in bold."""

    code: str
    lines: Sequence[str]


class TooLong(ValueError):
    """The code would be printed too small to be read on this stock."""


def sheets(
    labels: Sequence[Label],
    stock: Stock,
    made_at: datetime,
    symbology: Symbology = "qr",
    start: int = 1,
    while_waiting: Callable[[], None] | None = None,
) -> bytes:
    """The PDF of all labels, the first one at position `start` (from 1, along the rows), so that a partly used sheet
    can be used up. Raises TooLong before anything is printed."""
    placed = [
        _position(number, stock) | _label_data(label, stock, symbology)
        for number, label in enumerate(labels, start - 1)
    ]
    pages = [list(page) for _, page in groupby(placed, key=lambda label: label["page"])]
    data = {
        "title": f"ラベル {stock.name}",
        "pages": pages,
        "width": stock.width,
        "height": stock.height,
        "edge": EDGE,
        "beside": symbology == "qr",
    }
    try:
        return typeset("labels.typ", data, made_at, tagged=False, while_waiting=while_waiting)
    except CodeDoesNotFit as unfit:
        raise TooLong(str(unfit)) from unfit


def _position(number: int, stock: Stock) -> dict[str, Any]:
    page, position = divmod(number, stock.places)
    row, column = divmod(position, stock.columns)
    return {"page": page, "x": stock.left + column * stock.pitch_x, "y": stock.top + row * stock.pitch_y}


def _label_data(label: Label, stock: Stock, symbology: Symbology) -> dict[str, Any]:
    """The code, its size with the quiet zone in millimetres, and the lines. The typesetting process draws the code,
    because QR codes are half of the work."""
    lines = list(label.lines)
    if symbology == "qr":
        side = min(stock.height - 2 * EDGE, stock.width * 0.5)
        max_modules = int(side / MIN_MODULE["qr"])
        return {"qr": label.code, "most": max_modules, "code_width": side, "code_height": side, "lines": lines}
    modules = code128.modules(label.code)
    module_count = len(modules) + 2 * code128.QUIET
    module = (stock.width - 2 * EDGE) / module_count
    if module < MIN_MODULE["code128"]:
        raise TooLong(label.code)
    # Not wider than readers need, and as high as the lines of text allow.
    width, height = min(module, 0.4) * module_count, (stock.height - 2 * EDGE) * BAR_HEIGHT
    quiet = "0" * code128.QUIET
    return {"modules": [quiet + modules + quiet], "code_width": width, "code_height": height, "lines": lines}
