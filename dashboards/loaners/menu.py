"""代替機管理"""

from __future__ import annotations

from dashboards.pages import Entry, Section

_page = Section("loaners", "代替機管理").page

PAGES: tuple[Entry, ...] = (
    _page("devices", "機器一覧", "devices", "loaners:view:read", url_path="loaners", subjects=("device",)),
    _page("device", "機器詳細", "devices_other", "loaners:device:read", url_path="loaners-device", in_menu=False),
    _page("status_form", "ステータス登録", "edit_note", "loaners:device:work", subjects=("event",)),
    _page("lending", "貸出状況", "assignment_return", "loaners:device:read"),
    _page("summary", "サマリー", "dashboard", "loaners:view:read", url_path="loaners-summary"),
    _page("audit_list", "監査", "fact_check", "loaners:view:read", url_path="loaners-audit"),
    _page("stocktakes", "棚卸", "qr_code_scanner", "loaners:stocktake:read", subjects=("stocktake",)),
    _page("upkeep", "点検", "rule", "loaners:history:mark", url_path="loaners-upkeep", subjects=("finding",)),
    _page(
        "masters",
        "マスタ管理",
        "category",
        "loaners:master:read",
        url_path="loaners-masters",
        subjects=("site", "model", "column", "view"),
    ),
    _page("forms", "フォーム管理", "dynamic_form", "loaners:form:read", url_path="loaners-forms", subjects=("form",)),
    _page("transfers", "取込・出力", "swap_vert", "loaners:master:read", url_path="loaners-transfer"),
    _page("labels", "ラベル印刷", "label", "loaners:device:read", url_path="loaners-labels"),
)
