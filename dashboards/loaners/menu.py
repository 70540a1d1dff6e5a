"""代替機管理"""

from __future__ import annotations

from functools import partial

from dashboards.pages import Entry

_page = partial(Entry, area="loaners", section="代替機管理")

PAGES: tuple[Entry, ...] = (
    _page(
        file="devices.py",
        title="機器一覧",
        icon=":material/devices:",
        url_path="loaners",
        permission="loaners:view:read",
        about=("device",),
    ),
    _page(
        file="device.py",
        title="機器詳細",
        icon=":material/devices_other:",
        url_path="loaners-device",
        permission="loaners:device:read",
        in_menu=False,
    ),
    _page(
        file="status_form.py",
        title="ステータス登録",
        icon=":material/edit_note:",
        url_path="status-form",
        permission="loaners:device:work",
        about=("event",),
    ),
    _page(
        file="lending.py",
        title="貸出状況",
        icon=":material/assignment_return:",
        url_path="lending",
        permission="loaners:device:read",
    ),
    _page(
        file="summary.py",
        title="サマリー",
        icon=":material/dashboard:",
        url_path="loaners-summary",
        permission="loaners:view:read",
    ),
    _page(
        file="audit_list.py",
        title="監査",
        icon=":material/fact_check:",
        url_path="loaners-audit",
        permission="loaners:view:read",
    ),
    _page(
        file="stocktakes.py",
        title="棚卸",
        icon=":material/qr_code_scanner:",
        url_path="stocktakes",
        permission="loaners:stocktake:read",
        about=("stocktake",),
    ),
    _page(
        file="upkeep.py",
        title="点検",
        icon=":material/rule:",
        url_path="loaners-upkeep",
        permission="loaners:history:mark",
        about=("finding",),
    ),
    _page(
        file="masters.py",
        title="マスタ管理",
        icon=":material/category:",
        url_path="loaners-masters",
        permission="loaners:master:read",
        about=("site", "model", "column", "view"),
    ),
    _page(
        file="forms.py",
        title="フォーム管理",
        icon=":material/dynamic_form:",
        url_path="loaners-forms",
        permission="loaners:form:read",
        about=("form",),
    ),
    _page(
        file="transfers.py",
        title="取込・出力",
        icon=":material/swap_vert:",
        url_path="loaners-transfer",
        permission="loaners:master:read",
    ),
    _page(
        file="labels.py",
        title="ラベル印刷",
        icon=":material/label:",
        url_path="loaners-labels",
        permission="loaners:device:read",
    ),
)
