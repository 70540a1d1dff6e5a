"""申込投入 in 探す: the looks of states by kind, and further words that people call its pages by."""

from __future__ import annotations

from collections.abc import Mapping

from dashboards.agencies.words import LIST_STATUS
from dashboards.ui.status import Status

STATES: Mapping[str, Mapping[str, Status]] = {"case": LIST_STATUS, "request": LIST_STATUS, "site": LIST_STATUS}
PAGE_WORDS = {
    "agencies-dashboard": "全体 集計",
    "my-requests": "投入依頼 申込 不備 自分の依頼",
    "new-request": "申込 登録 法人",
    "add-site": "店舗 追加",
    "cases": "投入依頼 申込 明細 不備 対応中",
    "acquired": "投入済 契約 実績",
    "corporations": "会社 企業 顧客 法人番号 電話番号",
    "agency-figures": "実績 成績 件数",
    "agencies": "営業担当者 紹介店",
    "agencies-masters": "選択肢 オプションサービス 元フィールド",
}
