"""Printed reports: dataclasses that areas' rules fill, and `render`, which writes them as an A4 PDF."""

from service.core.reports.model import (
    Badge,
    BarChart,
    Block,
    Cell,
    Column,
    Figure,
    Figures,
    LineChart,
    Note,
    Part,
    Report,
    Section,
    Series,
    ShareBar,
    Table,
)

__all__ = [
    "Badge",
    "BarChart",
    "Block",
    "Cell",
    "Column",
    "Figure",
    "Figures",
    "LineChart",
    "Note",
    "Part",
    "Report",
    "Section",
    "Series",
    "ShareBar",
    "Table",
]
