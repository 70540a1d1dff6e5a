"""共通: the core's pages."""

from __future__ import annotations

from dashboards.pages import Entry, Section

_page = Section("core", "共通").page

# Opened by the user's own name below the menu.
ACCOUNT = _page("account", "アカウント", "account_circle", None, in_menu=False)

PAGES: tuple[Entry, ...] = (
    _page("imports", "取り込み", "upload_file", "core:import:create"),
    _page("tasks", "処理状況", "pending_actions", "core:task:create"),
    _page(
        "messages",
        "通知",
        "outgoing_mail",
        "core:message:read",
    ),
    _page("users", "ユーザー管理", "group", "core:user:read"),
    _page("audit", "監査ログ", "history", "core:audit:read"),
    _page("holidays", "休日カレンダー", "event", "core:calendar:read"),
    _page("system", "システム状態", "monitor_heart", "core:system:read"),
    ACCOUNT,
)
