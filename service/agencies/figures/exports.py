"""代理店別数値 as a file: the columns of the page, with a row for each agency."""

from __future__ import annotations

from service.agencies.figures import queries, schemas
from service.core.exports.declared import Column, ExportList

FIGURES = ExportList(
    key="agencies.figures",
    title="代理店別数値",
    permission="agencies:figure:read",
    columns=(
        Column("name", "代理店名"),
        Column("requests", "依頼件数", "number"),
        Column("deficient", "不備", "number"),
        Column("working", "対応中", "number"),
        Column("entered", "投入済", "number"),
        Column("cancelled", "キャンセル", "number"),
        Column("acquired_sites", "獲得地点", "number"),
        Column("shown_rate", "不備率"),
    ),
    filters=schemas.FigureFilters,
    statement=lambda _, filters: queries.figures_export(filters),
)
EXPORTS: tuple[ExportList, ...] = (FIGURES,)
