"""The export of reservations."""

from __future__ import annotations

from service.core.exports.declared import Column, ExportList
from service.reservations.desk import queries, schemas

RESERVATIONS = ExportList(
    key="reservations.reservations",
    title="予約一覧",
    permission="reservations:reservation:read",
    columns=(
        Column("code", "予約ID"),
        Column("state_title", "ステータス"),
        Column("starts_at", "予約日時", "moment"),
        Column("service_name", "サービス"),
        Column("plan_name", "サイズ"),
        Column("customer_name", "依頼者"),
        Column("phone_shown", "電話番号"),
        Column("shop_name", "店舗"),
        Column("open_operations", "手動対応（件）", "number"),
        Column("price", "料金（円）", "number"),
        Column("paid", "決済額（円）", "number"),
        Column("refunded", "返金額（円）", "number"),
        Column("created_at", "受付日時", "moment"),
    ),
    filters=schemas.ReservationFilters,
    statement=queries.reservations_export,
)
EXPORTS = (RESERVATIONS,)
