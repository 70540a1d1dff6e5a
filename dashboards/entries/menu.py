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
    _page(
        file="parents.py",
        title="保護者",
        icon=":material/family_restroom:",
        url_path="parents",
        permission="entries:parent:read",
        about=("parent", "card"),
    ),
    _page(
        file="children.py",
        title="園児",
        icon=":material/face:",
        url_path="children",
        permission="entries:child:read",
        about=("child",),
    ),
    _page(
        file="nursery.py",
        title="園情報",
        icon=":material/tablet_android:",
        url_path="nursery",
        permission="entries:nursery:read",
        about=("station", "archive"),
    ),
    _page(
        file="nurseries.py",
        title="保育園一覧",
        icon=":material/apartment:",
        url_path="nurseries",
        permission="entries:nursery:create",
        about=("nursery",),
    ),
)
