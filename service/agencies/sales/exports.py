"""マイ依頼一覧 as a file."""

from __future__ import annotations

from service.agencies.rules import Status
from service.agencies.sales import queries, schemas
from service.core.exports.declared import Column, ExportList

REQUESTS = ExportList(
    key="agencies.requests",
    title="投入依頼",
    permission="agencies:request:read",
    columns=(
        Column("id", "依頼ID", "number"),
        Column("corporation_name", "法人名"),
        Column("shown_status", "ステータス", "choice", words=Status.labels() | {queries.NOTHING_REMAINING: "残りなし"}),
        Column("site_count", "地点数（申告）", "number"),
        Column("sites", "地点数", "number"),
        Column("entered_sites", "投入済の地点数", "number"),
        Column("unread", "未読の不備通知", "number"),
        Column("agency_name", "代理店名"),
        Column("requested_by_name", "営業担当者"),
        Column("created_at", "投入依頼日", "moment"),
    ),
    filters=schemas.RequestFilters,
    statement=queries.requests_export,
)
EXPORTS = (REQUESTS,)
