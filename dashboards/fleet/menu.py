"""端末管理"""

from __future__ import annotations

from dashboards.pages import Section

_page = Section("fleet", "端末管理").page

PAGES = (
    _page("dashboard", "ダッシュボード", "monitoring", "fleet:terminal:read"),
    _page(
        "alerts",
        "アラート一覧",
        "notifications_active",
        "fleet:incident:read",
        subjects=("incident",),
        id_parameter="id",
    ),
    _page("customers", "顧客一覧", "business", "fleet:customer:read", subjects=("customer",)),
    _page("terminals", "端末一覧", "point_of_sale", "fleet:terminal:read"),
    _page("enrolments", "登録コード", "key", "fleet:enrolment:read"),
    _page("terminal", "端末詳細", "point_of_sale", "fleet:terminal:read", in_menu=False),
    _page(
        "firmware",
        "ファームウェア管理",
        "system_update_alt",
        "fleet:firmware:read",
        subjects=("rollout",),
    ),
    _page("reports", "レポート", "summarize", "fleet:report:read", subjects=("monthly_report",)),
)
