"""Reports on paper: dataclasses that areas' rules fill, and `render`, which makes an A4 PDF of them."""

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
