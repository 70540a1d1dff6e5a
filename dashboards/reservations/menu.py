"""予約運用"""

from __future__ import annotations

from dashboards.pages import Entry, Section

_page = Section("reservations", "予約運用").page

PAGES: tuple[Entry, ...] = (
    _page(
        "dashboard",
        "運営ダッシュボード",
        "space_dashboard",
        "reservations:dashboard:read",
        url_path="reservations-dashboard",
    ),
    # The first entry for the management role: its start page.
    _page(
        "management",
        "経営ダッシュボード",
        "monitoring",
        "reservations:management:read",
        subjects=("management_report", "month"),
    ),
    _page(
        "operations",
        "手動対応",
        "support_agent",
        "reservations:operation:read",
        subjects=("operation", "shift"),
    ),
    _page("reservations", "予約一覧", "event_note", "reservations:reservation:read"),
    _page(
        "reservation",
        "予約詳細",
        "event_available",
        "reservations:reservation:read",
        in_menu=False,
        subjects=("reservation",),
        id_parameter="code",
    ),
    _page(
        "enquiries",
        "問い合わせ",
        "forum",
        "reservations:quality:read",
        subjects=("enquiry", "survey"),
    ),
    _page(
        "incidents",
        "インシデント",
        "emergency_home",
        "reservations:incident:read",
        subjects=("incident", "proposal"),
    ),
    _page(
        "chores",
        "定期作業",
        "event_repeat",
        "reservations:chore:read",
        subjects=("chore", "chore_turn"),
    ),
    _page(
        "reports",
        "レポート",
        "summarize",
        "reservations:report:read",
        url_path="reservations-reports",
        subjects=("report",),
    ),
    _page(
        "monitoring",
        "監視",
        "monitoring",
        "reservations:alarm:read",
        subjects=("alarm",),
    ),
    _page("shops", "提携店", "storefront", "reservations:shop:read", subjects=("shop",)),
    _page(
        "simulation",
        "順序シミュレーション",
        "swap_vert",
        "reservations:simulation:read",
        url_path="shop-order-simulation",
    ),
    _page("services", "サービス・料金", "sell", "reservations:service:read", subjects=("service", "plan")),
    _page("guides", "手引き", "menu_book", "reservations:guide:read", url_path="manuals", id_parameter="name"),
    _page("assistants", "アシスタント連携", "key", "reservations:assistant:read", subjects=("assistant",)),
)
