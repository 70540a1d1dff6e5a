"""端末管理"""

from __future__ import annotations

from functools import partial

from dashboards.pages import Entry, PendingCount

_page = partial(Entry, area="fleet", section="端末管理")

PAGES = (
    _page(
        file="dashboard.py",
        title="ダッシュボード",
        icon=":material/monitoring:",
        url_path="dashboard",
        permission="fleet:terminal:read",
    ),
    _page(
        file="alerts.py",
        title="アラート一覧",
        icon=":material/notifications_active:",
        url_path="alerts",
        permission="fleet:incident:read",
        about=("incident",),
        names="id",
        waiting=PendingCount("/api/fleet/incidents/counts", "open"),
    ),
    _page(
        file="customers.py",
        title="顧客一覧",
        icon=":material/business:",
        url_path="customers",
        permission="fleet:customer:read",
        about=("customer",),
    ),
    _page(
        file="terminals.py",
        title="端末一覧",
        icon=":material/point_of_sale:",
        url_path="terminals",
        permission="fleet:terminal:read",
    ),
    _page(
        file="enrolments.py",
        title="登録コード",
        icon=":material/key:",
        url_path="enrolments",
        permission="fleet:enrolment:read",
    ),
    _page(
        file="terminal.py",
        title="端末詳細",
        icon=":material/point_of_sale:",
        url_path="terminal",
        permission="fleet:terminal:read",
        in_menu=False,
    ),
    _page(
        file="firmware.py",
        title="ファームウェア管理",
        icon=":material/system_update_alt:",
        url_path="firmware",
        permission="fleet:firmware:read",
        about=("rollout",),
        waiting=PendingCount("/api/fleet/rollouts/overview", "paused"),
    ),
    _page(
        file="reports.py",
        title="レポート",
        icon=":material/summarize:",
        url_path="reports",
        permission="fleet:report:read",
        about=("monthly_report",),
    ),
)
