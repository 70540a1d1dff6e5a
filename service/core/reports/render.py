"""Renders a report as a PDF."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

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
    MACHINE_SPEAKERS,
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
    plain_text,
)
from service.core.reports.scales import number
from service.core.reports.typeset import typeset
from service.core.values.times import format_local_datetime

NOTHING = "–"
# A column of sentences is as wide as its longest text, within these limits.
MIN_WIDTH, MAX_WIDTH = 7, 30
# PDFs in this process's cache, a few hundred kilobytes each.
MAX_CACHED = 32


def render(report: Report, while_waiting: Callable[[], None] | None = None) -> bytes:
    """The PDF, byte for byte the same for the same report. Call it outside any transaction; see `typeset`."""
    return typeset("report.typ", content(report), report.made_at, while_waiting=while_waiting)


def digest(report: Report) -> str:
    """A digest of the content without `made_at`: two reports with the same digest differ in nothing else."""
    text = json.dumps(content(report) | {"made": ""}, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


_cache: OrderedDict[str, bytes] = OrderedDict()
_cache_lock = threading.Lock()


def cached_pdf(report: Report) -> bytes | None:
    """The cached PDF of a report with the same content, if `render_cached` has rendered one recently."""
    with _cache_lock:
        pdf = _cache.get(key := digest(report))
        if pdf is not None:
            _cache.move_to_end(key)
        return pdf


def render_cached(report: Report) -> bytes:
    """The PDF of a report that is requested often and changes seldom. It shows the time when it was rendered."""
    if (cached := cached_pdf(report)) is not None:
        return cached
    pdf = render(report)
    with _cache_lock:
        _cache[digest(report)] = pdf
        while len(_cache) > MAX_CACHED:
            _cache.popitem(last=False)
    return pdf


def content(report: Report) -> dict[str, Any]:
    """The report as the template reads it."""
    return {
        "title": report.title,
        "period": report.period,
        "made": format_local_datetime(report.made_at),
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
            entries = [[_prose(child) for child in entry] for entry in block.entries]
            return {"kind": "items", "numbered": block.numbered, "entries": entries}
        case Box():
            inside = [_prose(child) for child in block.blocks]
            return {"kind": "box", "title": block.title, "tone": block.tone, "blocks": inside}
        case Dialogue():
            return {"kind": "dialogue", "lines": [_dialogue_line(*line) for line in block.lines]}
        case Question():
            answer = [_prose(child) for child in block.blocks]
            return {"kind": "question", "words": _words(block.words), "blocks": answer}
        case Verbatim():
            return {"kind": "verbatim", "text": block.text}
        case _:
            return _grid(block)


def _dialogue_line(speaker: str, words: Words) -> dict[str, Any]:
    return {"who": speaker, "is_machine": speaker in MACHINE_SPEAKERS, "words": _words(words)}


def _words(words: Words) -> list[dict[str, Any]]:
    return [{"text": run.text, "bold": run.bold, "code": run.code, "href": run.href} for run in words]


def _grid(grid: Grid) -> dict[str, Any]:
    columns = zip(grid.head, *grid.rows, strict=True)
    widths = [min(max(MIN_WIDTH, *(len(plain_text(cell)) for cell in column)), MAX_WIDTH) for column in columns]
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
        "columns": [{"title": column.title, "width": column.width, "right": column.right} for column in table.columns],
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
