"""Reports on paper: dataclasses that areas' rules fill, and `render`, which makes an A4 PDF of them."""

from service.core.reports.model import (
    Badge,
    BarChart,
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
