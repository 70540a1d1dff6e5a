"""申込投入"""

from __future__ import annotations

from dashboards.pages import Entry, Section

_page = Section("agencies", "申込投入").page

PAGES: tuple[Entry, ...] = (
    _page("dashboard", "ダッシュボード", "dashboard", "agencies:dashboard:read", url_path="agencies-dashboard"),
    _page(
        "my_requests",
        "マイ依頼一覧",
        "assignment",
        "agencies:request:read",
        subjects=("request", "comment", "image"),
    ),
    _page("new_request", "新規投入依頼", "post_add", "agencies:request:create"),
    _page("add_site", "既存法人に地点追加", "add_location_alt", "agencies:request:create"),
    _page("request", "依頼詳細", "description", "agencies:request:read", in_menu=False),
    _page(
        "cases",
        "投入案件一覧",
        "inbox",
        "agencies:case:read",
        subjects=("case", "site"),
    ),
    _page("case", "案件詳細・明細入力", "edit_document", "agencies:case:read", in_menu=False),
    _page("acquired", "獲得案件一覧", "task_alt", "agencies:acquired:read", subjects=("acquired",)),
    _page("corporations", "法人検索", "domain", "agencies:corporation:read"),
    _page(
        "corporation",
        "法人詳細",
        "domain_verification",
        "agencies:corporation:read",
        in_menu=False,
        subjects=("corporation",),
    ),
    _page(
        "figures",
        "代理店別数値",
        "leaderboard",
        "agencies:figure:read",
        url_path="agency-figures",
        subjects=("figure",),
    ),
    _page("agencies", "代理店管理", "store", "agencies:agency:read", subjects=("agency",)),
    _page(
        "masters",
        "マスタ管理",
        "category",
        "agencies:master:update",
        url_path="agencies-masters",
        subjects=("choice", "option", "carrier_field"),
    ),
)
