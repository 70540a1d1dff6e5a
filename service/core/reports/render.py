"""A report as a PDF."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from service.core.clock import in_words
from service.core.reports import charts
from service.core.reports.colours import PAPER, TONES
from service.core.reports.model import (
    Badge,
    BarChart,
    Block,
    Cell,
    Column,
    Figures,
    LineChart,
    Note,
    Report,
    ShareBar,
    Table,
    Written,
)
from service.core.reports.prose import (
    MACHINES,
    Box,
    Dialogue,
    Grid,
    Heading,
    Items,
    Paragraph,
    Prose,
    Question,
    Verbatim,
    Words,
    told,
)
from service.core.reports.scales import number
from service.core.reports.typeset import typeset

NOTHING = "–"
# A column of sentences is as wide as what it holds, within these shares.
NARROWEST, WIDEST = 7, 30
# Manuals of this process, a few hundred kilobytes each.
MOST_KEPT = 32


def render(report: Report, while_waiting: Callable[[], None] | None = None) -> bytes:
    """The PDF, byte for byte the same for the same report. Call it outside any transaction; see `typeset`."""
    return typeset("report.typ", content(report), report.made_at, while_waiting=while_waiting)


def digest(report: Report) -> str:
    """What it says, but for when: two reports of one digest differ in nothing else."""
    said = json.dumps(content(report) | {"made": ""}, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


_kept: OrderedDict[str, bytes] = OrderedDict()
_keeping = threading.Lock()


def kept(report: Report) -> bytes | None:
    """The PDF of a report that says the same, if `render_kept` has made one not long ago."""
    with _keeping:
        found = _kept.get(key := digest(report))
        if found is not None:
            _kept.move_to_end(key)
        return found


def render_kept(report: Report) -> bytes:
    """The PDF, for what many people ask for and what seldom changes. It bears the moment at which it was made."""
    if (found := kept(report)) is not None:
        return found
    pdf = render(report)
    with _keeping:
        _kept[digest(report)] = pdf
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
    return pdf


def content(report: Report) -> dict[str, Any]:
    """The report as the template reads it."""
    return {
        "title": report.title,
        "period": report.period,
        "made": in_words(report.made_at),
        "maker": report.maker,
        "contents": report.contents,
        "colours": PAPER | {"tones": TONES},
        "sections": [
            {"title": section.title, "blocks": [_block(block) for block in section.blocks]}
            for section in report.sections
        ],
    }


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Figures():
            return _figures(block)
        case Table():
            return _table(block)
        case Note():
            return {"kind": "note", "text": block.text}
        case Written():
            return {"kind": "words", "lines": block.text.strip().splitlines(), "empty": block.empty}
        case LineChart():
            return charts.line_chart(block)
        case BarChart():
            return charts.bar_chart(block)
        case ShareBar():
            return charts.share_bar(block)
        case _:
            return _prose(block)


def _prose(block: Prose) -> dict[str, Any]:
    match block:
        case Paragraph():
            return {"kind": "paragraph", "words": _words(block.words)}
        case Heading():
            return {"kind": "heading", "words": _words(block.words)}
        case Items():
            entries = [[_prose(one) for one in entry] for entry in block.entries]
            return {"kind": "items", "numbered": block.numbered, "entries": entries}
        case Box():
            inside = [_prose(one) for one in block.blocks]
            return {"kind": "box", "title": block.title, "tone": block.tone, "blocks": inside}
        case Dialogue():
            return {"kind": "dialogue", "lines": [_said(*line) for line in block.lines]}
        case Question():
            answer = [_prose(one) for one in block.blocks]
            return {"kind": "question", "words": _words(block.words), "blocks": answer}
        case Verbatim():
            return {"kind": "verbatim", "text": block.text}
        case _:
            return _grid(block)


def _said(who: str, words: Words) -> dict[str, Any]:
    return {"who": who, "is_machine": who in MACHINES, "words": _words(words)}


def _words(words: Words) -> list[dict[str, Any]]:
    return [{"text": run.text, "bold": run.bold, "code": run.code, "href": run.href} for run in words]


def _grid(grid: Grid) -> dict[str, Any]:
    columns = zip(grid.head, *grid.rows, strict=True)
    widths = [min(max(NARROWEST, *(len(told(cell)) for cell in column)), WIDEST) for column in columns]
    rows = [[_words(cell) for cell in row] for row in grid.rows]
    return {"kind": "grid", "widths": widths, "head": [_words(cell) for cell in grid.head], "rows": rows}


def _figures(figures: Figures) -> dict[str, Any]:
    cards = [
        {
            "label": card.label,
            "value": card.value if isinstance(card.value, str) else number(card.value),
            "unit": card.unit,
            "note": card.note,
            "tone": card.tone or "",
        }
        for card in figures.cards
    ]
    return {"kind": "figures", "cards": cards, "across": figures.across}


def _table(table: Table) -> dict[str, Any]:
    rows = [*table.rows, table.total] if table.total and table.rows else table.rows
    return {
        "kind": "table",
        "columns": [{"title": one.title, "width": one.width, "right": one.right} for one in table.columns],
        "rows": [_row(table.columns, row) for row in rows],
        "total": bool(table.total and table.rows),
        "empty": table.empty,
        "by_hand": table.by_hand,
    }


def _row(columns: Sequence[Column], row: Sequence[Cell]) -> list[Any]:
    return [_cell(column, cell) for column, cell in zip(columns, row, strict=True)]


def _cell(column: Column, cell: Cell) -> Any:
    if isinstance(cell, Badge):
        return {"text": cell.text, "tone": cell.tone}
    if cell is None:
        return NOTHING
    return cell if isinstance(cell, str) else number(cell, column.digits)
