"""予約運用"""

from __future__ import annotations

from functools import partial

from dashboards.pages import Entry, Waiting

_page = partial(Entry, area="reservations", section="予約運用")

PAGES: tuple[Entry, ...] = (
    _page(
        file="operations.py",
        title="手動対応",
        icon=":material/support_agent:",
        url_path="operations",
        permission="reservations:operation:read",
        about=("operation", "shift"),
        waiting=Waiting("/api/reservations/operations/counts", "open"),
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
        file="incidents.py",
        title="インシデント",
        icon=":material/emergency_home:",
        url_path="incidents",
        permission="reservations:incident:read",
        about=("incident",),
        waiting=Waiting("/api/reservations/incidents/counts", "open"),
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
        file="assistants.py",
        title="アシスタント連携",
        icon=":material/key:",
        url_path="assistants",
        permission="reservations:assistant:read",
        about=("assistant",),
    ),
)
