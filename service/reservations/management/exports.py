"""Exports: monthly figures, the ranking of shops, and services."""

from __future__ import annotations

from service.core.exports.declared import Column, ExportList
from service.reservations.management import queries, schemas

READ = "reservations:management:read"
MONTHS = ExportList(
    key="reservations.management.months",
    title="月ごとの数字",
    permission=READ,
    columns=(
        Column("month_words", "月"),
        Column("requested", "予約件数", "number"),
        Column("confirmed", "確定", "number"),
        Column("failed", "不成立", "number"),
        Column("success_percent", "予約成功率（%）", "number"),
        Column("payment_percent", "決済成功率（%）", "number"),
        Column("completed", "完了", "number"),
        Column("cancelled", "確定後のキャンセル", "number"),
        Column("cancellation_percent", "キャンセル率（%）", "number"),
        Column("operations", "手動対応", "number"),
        Column("paid", "支払額（円）", "number"),
        Column("refunded", "返金額（円）", "number"),
        Column("sales", "売上（円）", "number"),
    ),
    filters=schemas.MonthFilters,
    statement=queries.months_export,
)
SHOPS = ExportList(
    key="reservations.management.shops",
    title="提携店別予約件数ランキング",
    permission=READ,
    columns=(
        Column("place", "順位", "number"),
        Column("code", "店舗コード"),
        Column("name", "提携店"),
        Column("confirmed", "予約件数（確定）", "number"),
        Column("completed", "完了", "number"),
        Column("cancelled", "確定後のキャンセル", "number"),
        Column("sales", "売上（円）", "number"),
    ),
    filters=schemas.PartFilters,
    statement=queries.shops_export,
)
SERVICES = ExportList(
    key="reservations.management.services",
    title="サービスタイプ別予約件数",
    permission=READ,
    columns=(
        Column("name", "サービス"),
        Column("requested", "予約件数", "number"),
        Column("confirmed", "確定", "number"),
        Column("failed", "不成立", "number"),
        Column("sales", "売上（円）", "number"),
    ),
    filters=schemas.PartFilters,
    statement=queries.services_export,
)
EXPORTS: tuple[ExportList, ...] = (MONTHS, SHOPS, SERVICES)
