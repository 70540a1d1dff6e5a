"""入退管理"""

from __future__ import annotations

from dashboards.pages import Entry, Section

_page = Section("entries", "入退管理").page

PAGES: tuple[Entry, ...] = (
    _page("in_nursery", "在園状況", "child_care", "entries:attendance:read"),
    _page("logs", "入退管理ログ", "swap_vert", "entries:log:read", url_path="entry-exit-logs", subjects=("log",)),
    _page("attendance", "出欠表管理", "fact_check", "entries:attendance:read", subjects=("attendance",)),
    _page("attendance_report", "詳細レポート", "calendar_month", "entries:attendance:read", in_menu=False),
    _page("statistics", "統計", "bar_chart", "entries:log:read", url_path="entries-statistics"),
    _page("parents", "保護者", "family_restroom", "entries:parent:read", subjects=("parent", "card")),
    _page("children", "園児", "face", "entries:child:read", subjects=("child",)),
    _page("nursery", "園情報", "tablet_android", "entries:nursery:read", subjects=("station", "archive")),
    _page("nurseries", "保育園一覧", "apartment", "entries:nursery:create", subjects=("nursery",)),
)
