"""予約運用"""

from __future__ import annotations

from functools import partial

from dashboards.pages import Entry, PendingCount

_page = partial(Entry, area="reservations", section="予約運用")

PAGES: tuple[Entry, ...] = (
    _page(
        file="dashboard.py",
        title="運営ダッシュボード",
        icon=":material/space_dashboard:",
        url_path="reservations-dashboard",
        permission="reservations:dashboard:read",
    ),
    # The first entry for the management role: its start page.
    _page(
        file="management.py",
        title="経営ダッシュボード",
        icon=":material/monitoring:",
        url_path="management",
        permission="reservations:management:read",
        about=("management_report", "month"),
    ),
    _page(
        file="operations.py",
        title="手動対応",
        icon=":material/support_agent:",
        url_path="operations",
        permission="reservations:operation:read",
        about=("operation", "shift"),
        waiting=PendingCount("/api/reservations/operations/counts", "open"),
    ),
    _page(
        file="reservations.py",
        title="予約一覧",
        icon=":material/event_note:",
        url_path="reservations",
        permission="reservations:reservation:read",
    ),
    _page(
        file="reservation.py",
        title="予約詳細",
        icon=":material/event_available:",
        url_path="reservation",
        permission="reservations:reservation:read",
        in_menu=False,
        about=("reservation",),
        names="code",
    ),
    _page(
        file="enquiries.py",
        title="問い合わせ",
        icon=":material/forum:",
        url_path="enquiries",
        # The management role sees only the figures; the list is for users who answer enquiries.
        permission="reservations:quality:read",
        about=("enquiry", "survey"),
        waiting=PendingCount("/api/reservations/enquiries/counts", "open"),
    ),
    _page(
        file="incidents.py",
        title="インシデント",
        icon=":material/emergency_home:",
        url_path="incidents",
        permission="reservations:incident:read",
        about=("incident", "proposal"),
        waiting=PendingCount("/api/reservations/incidents/counts", "open"),
    ),
    _page(
        file="chores.py",
        title="定期作業",
        icon=":material/event_repeat:",
        url_path="chores",
        permission="reservations:chore:read",
        about=("chore", "chore_turn"),
        waiting=PendingCount("/api/reservations/chores/turns/counts", "todo"),
    ),
    _page(
        file="reports.py",
        title="レポート",
        icon=":material/summarize:",
        url_path="reservations-reports",
        permission="reservations:report:read",
        about=("report",),
        waiting=PendingCount("/api/reservations/reports/counts", "drafts"),
    ),
    _page(
        file="monitoring.py",
        title="監視",
        icon=":material/monitoring:",
        url_path="monitoring",
        permission="reservations:alarm:read",
        about=("alarm",),
        waiting=PendingCount("/api/reservations/alarms/counts", "open"),
    ),
    _page(
        file="shops.py",
        title="提携店",
        icon=":material/storefront:",
        url_path="shops",
        permission="reservations:shop:read",
        about=("shop",),
    ),
    _page(
        file="simulation.py",
        title="順序シミュレーション",
        icon=":material/swap_vert:",
        url_path="shop-order-simulation",
        permission="reservations:simulation:read",
    ),
    _page(
        file="services.py",
        title="サービス・料金",
        icon=":material/sell:",
        url_path="services",
        permission="reservations:service:read",
        about=("service", "plan"),
    ),
    _page(
        file="guides.py",
        title="手引き",
        icon=":material/menu_book:",
        # Not /guides: that is the public address of the guides for customers and shops.
        url_path="manuals",
        permission="reservations:guide:read",
        names="name",
    ),
    _page(
        file="assistants.py",
        title="アシスタント連携",
        icon=":material/key:",
        url_path="assistants",
        permission="reservations:assistant:read",
        about=("assistant",),
    ),
)
