"""Export of インシデント記録, with the items of 5.3.1."""

from __future__ import annotations

from service.core.exports.declared import Column, ExportList
from service.reservations.incidents import queries, schemas
from service.reservations.incidents.rules import Level, Status

INCIDENTS = ExportList(
    key="reservations.incidents",
    title="インシデント",
    permission="reservations:incident:read",
    columns=(
        Column("code", "番号"),
        Column("title", "件名"),
        Column("status", "状況", "choice", words=Status.labels()),
        Column("detected_at", "発生日時", "moment"),
        Column("level", "レベル", "choice", words=Level.labels()),
        Column("impact", "影響範囲"),
        Column("cause", "原因"),
        Column("response", "対応内容"),
        Column("recovered_at", "復旧日時", "moment"),
        Column("prevention", "再発防止策"),
        Column("opened_by", "登録した人"),
    ),
    filters=schemas.IncidentFilters,
    statement=queries.incidents_export,
)
EXPORTS = (INCIDENTS,)
