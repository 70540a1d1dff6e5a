"""The corporations as a file. No column contains card data."""

from __future__ import annotations

from service.agencies.corporations import queries, schemas
from service.core.exports.declared import Column, ExportList

CORPORATIONS = ExportList(
    key="agencies.corporations",
    title="法人一覧",
    permission="agencies:corporation:read",
    columns=(
        Column("id", "法人ID", "number"),
        Column("agency_name", "代理店名"),
        Column("name", "法人名"),
        Column("kana", "法人名カナ"),
        Column("customer_type_name", "契約者区分"),
        Column("corporation_number", "法人番号"),
        Column("phone1", "連絡先番号1"),
        Column("prefecture", "都道府県"),
        Column("city", "市区町村"),
        Column("requests", "依頼数", "number"),
        Column("sites", "地点数", "number"),
        Column("created_at", "作成日時", "moment"),
    ),
    filters=schemas.CorporationFilters,
    statement=queries.corporations_export,
)
EXPORTS = (CORPORATIONS,)
