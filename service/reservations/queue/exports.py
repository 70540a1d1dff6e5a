"""The export of 手動対応."""

from __future__ import annotations

from service.core.exports.declared import Column, ExportList
from service.reservations.operations.rules import Priority
from service.reservations.queue import queries, schemas

OPERATIONS = ExportList(
    key="reservations.operations",
    title="手動対応",
    permission="reservations:operation:read",
    columns=(
        Column("code", "予約ID"),
        Column("title", "内容"),
        Column("priority", "優先度", "choice", words=Priority.labels()),
        Column("customer_name", "依頼者"),
        Column("phone_shown", "電話番号"),
        Column("service_name", "サービス"),
        Column("starts_at", "予約日時", "moment"),
        Column("opened_at", "発生日時", "moment"),
        Column("due_at", "対応期限", "moment"),
        Column("met", "状況"),
        Column("owner_name", "担当"),
        Column("resolved_at", "完了日時", "moment"),
        Column("resolved_by", "完了した人"),
        Column("outcome", "対応結果"),
    ),
    filters=schemas.OperationFilters,
    statement=queries.operations_export,
)
EXPORTS = (OPERATIONS,)
