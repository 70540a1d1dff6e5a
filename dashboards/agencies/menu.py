"""申込投入"""

from __future__ import annotations

from functools import partial

from dashboards.pages import Entry, PendingCount

_page = partial(Entry, area="agencies", section="申込投入")

PAGES: tuple[Entry, ...] = (
    _page(
        file="dashboard.py",
        title="ダッシュボード",
        icon=":material/dashboard:",
        url_path="agencies-dashboard",
        permission="agencies:dashboard:read",
    ),
    _page(
        file="my_requests.py",
        title="マイ依頼一覧",
        icon=":material/assignment:",
        url_path="my-requests",
        permission="agencies:request:read",
        about=("request", "comment", "image"),
        waiting=PendingCount("/api/agencies/requests/counts", "waiting"),
    ),
    _page(
        file="new_request.py",
        title="新規投入依頼",
        icon=":material/post_add:",
        url_path="new-request",
        permission="agencies:request:create",
    ),
    _page(
        file="add_site.py",
        title="既存法人に地点追加",
        icon=":material/add_location_alt:",
        url_path="add-site",
        permission="agencies:request:create",
    ),
    _page(
        file="request.py",
        title="依頼詳細",
        icon=":material/description:",
        url_path="request",
        permission="agencies:request:read",
        in_menu=False,
    ),
    _page(
        file="cases.py",
        title="投入案件一覧",
        icon=":material/inbox:",
        url_path="cases",
        permission="agencies:case:read",
        about=("case", "site"),
        waiting=PendingCount("/api/agencies/cases/counts", "working"),
    ),
    _page(
        file="case.py",
        title="案件詳細・明細入力",
        icon=":material/edit_document:",
        url_path="case",
        permission="agencies:case:read",
        in_menu=False,
    ),
    _page(
        file="acquired.py",
        title="獲得案件一覧",
        icon=":material/task_alt:",
        url_path="acquired",
        permission="agencies:acquired:read",
        about=("acquired",),
    ),
    _page(
        file="corporations.py",
        title="法人検索",
        icon=":material/domain:",
        url_path="corporations",
        permission="agencies:corporation:read",
    ),
    _page(
        file="corporation.py",
        title="法人詳細",
        icon=":material/domain_verification:",
        url_path="corporation",
        permission="agencies:corporation:read",
        in_menu=False,
        about=("corporation",),
    ),
    _page(
        file="figures.py",
        title="代理店別数値",
        icon=":material/leaderboard:",
        url_path="agency-figures",
        permission="agencies:figure:read",
        about=("figure",),
    ),
    _page(
        file="agencies.py",
        title="代理店管理",
        icon=":material/store:",
        url_path="agencies",
        permission="agencies:agency:read",
        about=("agency",),
    ),
    _page(
        file="masters.py",
        title="マスタ管理",
        icon=":material/category:",
        url_path="agencies-masters",
        permission="agencies:master:update",
        about=("choice", "option", "carrier_field"),
    ),
)
