"""Exports of sites and models, with the document's columns and date format."""

from __future__ import annotations

from service.core.exports.declared import Column, ExportList
from service.loaners import queries, schemas

# Section 7.1.
TIMESTAMP_FORMAT = "YYYY/MM/DD HH24:MI:SS"
ACTIVE_LABELS = {"true": "active", "false": "inactive"}

SITES = ExportList(
    key="loaners.sites",
    title="拠点マスタ",
    permission="loaners:master:read",
    columns=(
        Column("key", "拠点ID"),
        Column("code", "拠点コード"),
        Column("name", "拠点名"),
        Column("jurisdiction", "管轄"),
        Column("group_mail", "グループメールアドレス"),
        Column("notified", "ステータス変更通知"),
        Column("state", "ステータス"),
        Column("created_at", "作成日", "moment", form=TIMESTAMP_FORMAT),
        Column("updated_at", "更新日", "moment", form=TIMESTAMP_FORMAT),
    ),
    filters=schemas.SiteFilters,
    statement=queries.export_sites,
)
MODELS = ExportList(
    key="loaners.models",
    title="機種マスタ",
    permission="loaners:master:read",
    columns=(
        Column("code", "機種ID"),
        Column("name", "機種名"),
        Column("maker", "メーカー"),
        Column("category", "カテゴリ"),
        Column("created_at", "作成日", "moment", form=TIMESTAMP_FORMAT),
        Column("updated_at", "更新日", "moment", form=TIMESTAMP_FORMAT),
        Column("note", "備考"),
    ),
    filters=schemas.ModelFilters,
    statement=queries.export_models,
)
EXPORTS = (SITES, MODELS)
