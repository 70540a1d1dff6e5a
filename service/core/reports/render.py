"""A report as a PDF."""

from __future__ import annotations

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
    Table,
    Words,
)
from service.core.reports.scales import number
from service.core.reports.typeset import typeset

NOTHING = "–"


def render(report: Report, while_waiting: Callable[[], None] | None = None) -> bytes:
    """The PDF, byte for byte the same for the same report. Call it outside any transaction; see `typeset`."""
    return typeset("report.typ", content(report), report.made_at, while_waiting=while_waiting)


def content(report: Report) -> dict[str, Any]:
    """The report as the template reads it."""
    return {
        "title": report.title,
        "period": report.period,
        "made": in_words(report.made_at),
        "maker": report.maker,
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
        case Words():
            return {"kind": "words", "lines": block.text.strip().splitlines(), "empty": block.empty}
        case LineChart():
            return charts.line_chart(block)
        case BarChart():
            return charts.bar_chart(block)
        case _:
            return charts.share_bar(block)


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
