"""入退管理"""

from __future__ import annotations

from functools import partial

from dashboards.pages import Entry

_page = partial(Entry, area="entries", section="入退管理")

PAGES: tuple[Entry, ...] = (
    _page(
        file="in_nursery.py",
        title="在園状況",
        icon=":material/child_care:",
        url_path="in-nursery",
        permission="entries:attendance:read",
    ),
    _page(
        file="logs.py",
        title="入退管理ログ",
        icon=":material/swap_vert:",
        url_path="entry-exit-logs",
        permission="entries:log:read",
        about=("log",),
    ),
    _page(
        file="attendance.py",
        title="出欠表管理",
        icon=":material/fact_check:",
        url_path="attendance",
        permission="entries:attendance:read",
        about=("attendance",),
    ),
    _page(
        file="attendance_report.py",
        title="詳細レポート",
        icon=":material/calendar_month:",
        url_path="attendance-report",
        permission="entries:attendance:read",
        in_menu=False,
    ),
    _page(
        file="statistics.py",
        title="統計",
        icon=":material/bar_chart:",
        url_path="entries-statistics",
        permission="entries:log:read",
    ),
)
