"""Sites and models as files, with the document's columns and its form of dates."""

from __future__ import annotations

from service.core.exports.declared import Column, List
from service.loaners import queries, schemas

# 7.1.
MOMENT = "YYYY/MM/DD HH24:MI:SS"
ACTIVE = {"true": "active", "false": "inactive"}

SITES = List(
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
        Column("created_at", "作成日", "moment", form=MOMENT),
        Column("updated_at", "更新日", "moment", form=MOMENT),
    ),
    filters=schemas.SiteFilters,
    statement=queries.sites_to_take_along,
)
MODELS = List(
    key="loaners.models",
    title="機種マスタ",
    permission="loaners:master:read",
    columns=(
        Column("code", "機種ID"),
        Column("name", "機種名"),
        Column("maker", "メーカー"),
        Column("category", "カテゴリ"),
        Column("created_at", "作成日", "moment", form=MOMENT),
        Column("updated_at", "更新日", "moment", form=MOMENT),
        Column("note", "備考"),
    ),
    filters=schemas.ModelFilters,
    statement=queries.models_to_take_along,
)
EXPORTS = (SITES, MODELS)
