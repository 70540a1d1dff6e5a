"""獲得案件 as a file: a row for each site, with the columns of the page."""

from __future__ import annotations

from service.agencies.acquired import queries, schemas
from service.agencies.rules import Service, Status
from service.core.exports.declared import Column, ExportList

ACQUIRED = ExportList(
    key="agencies.acquired",
    title="獲得案件一覧",
    permission="agencies:acquired:read",
    columns=(
        Column("corporation_name", "法人名"),
        Column("branch_name", "店舗名"),
        Column("service_type", "サービス種別", "choice", Service.labels()),
        Column("status", "ステータス", "choice", Status.labels()),
        Column("power_plan_name", "契約プラン"),
        Column("grouped_number", "供給地点特定番号"),
        Column("entered_at", "投入完了日", "moment", form="YYYY-MM-DD"),
        Column("request_id", "依頼ID", "number"),
        Column("agency_name", "代理店名"),
    ),
    filters=schemas.AcquiredFilters,
    statement=queries.acquired_export,
)
EXPORTS: tuple[ExportList, ...] = (ACQUIRED,)
