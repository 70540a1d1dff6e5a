"""共通: the core's pages."""

from __future__ import annotations

from functools import partial

from dashboards.pages import Entry, PendingCount

_page = partial(Entry, area="core", section="共通")

# Opened by the user's own name below the menu.
ACCOUNT = _page(
    file="account.py",
    title="アカウント",
    icon=":material/account_circle:",
    url_path="account",
    permission=None,
    in_menu=False,
)

PAGES: tuple[Entry, ...] = (
    _page(
        file="imports.py",
        title="取り込み",
        icon=":material/upload_file:",
        url_path="imports",
        permission="core:import:create",
    ),
    _page(
        file="tasks.py",
        title="処理状況",
        icon=":material/pending_actions:",
        url_path="tasks",
        permission="core:task:create",
    ),
    _page(
        file="messages.py",
        title="通知",
        icon=":material/outgoing_mail:",
        url_path="messages",
        permission="core:message:read",
        waiting=PendingCount("/api/core/messages/summary", "dead"),
    ),
    _page(
        file="users.py",
        title="ユーザー管理",
        icon=":material/group:",
        url_path="users",
        permission="core:user:read",
    ),
    _page(
        file="audit.py",
        title="監査ログ",
        icon=":material/history:",
        url_path="audit",
        permission="core:audit:read",
    ),
    _page(
        file="holidays.py",
        title="休日カレンダー",
        icon=":material/event:",
        url_path="holidays",
        permission="core:calendar:read",
    ),
    _page(
        file="system.py",
        title="システム状態",
        icon=":material/monitor_heart:",
        url_path="system",
        permission="core:system:read",
    ),
    ACCOUNT,
    _page(
        file="gallery.py",
        title="部品一覧",
        icon=":material/widgets:",
        url_path="gallery",
        permission="core:system:read",
        demo_only=True,
    ),
)
