"""Agencies as files."""

from __future__ import annotations

from service.agencies import queries, schemas
from service.core.exports.declared import Column, ExportList

STATE = {"true": "有効", "false": "無効"}
AGENCIES = ExportList(
    key="agencies.agencies",
    title="代理店",
    permission="agencies:agency:read",
    columns=(
        Column("id", "代理店ID", "number"),
        Column("name", "代理店名"),
        Column("code", "代理店コード"),
        Column("referral_shop_code", "紹介店コード"),
        Column("referral_shop_name", "紹介店名"),
        Column("contact_name", "担当者名"),
        Column("phone", "電話番号"),
        Column("mail_address", "メールアドレス"),
        Column("sales_count", "所属営業担当数", "number"),
        Column("state", "ステータス", "choice", words=STATE),
        Column("created_at", "作成日時", "moment"),
        Column("updated_at", "更新日時", "moment"),
    ),
    filters=schemas.AgencyFilters,
    statement=queries.agencies_export,
)
EXPORTS = (AGENCIES,)
