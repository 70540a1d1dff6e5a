"""代替機管理 in 探す: the looks of states by kind, and further words that people call its pages by."""

from __future__ import annotations

from collections.abc import Mapping

from dashboards.loaners.words import STATUS
from dashboards.ui.status import Status

STATES: Mapping[str, Mapping[str, Status]] = {"device": {str(code): status for code, status in STATUS.items()}}
PAGE_WORDS = {
    "loaners": "代替機 端末 プリンタ 在庫 統合表示",
    "status-form": "貸出 返却 回収 フォーム 登録",
    "lending": "貸出中 返却予定日 延滞 期限 預り機",
    "loaners-summary": "集計 台数",
    "loaners-audit": "確認 一覧表",
    "stocktakes": "在庫確認 スキャン 数える",
    "loaners-upkeep": "不整合 履歴 矛盾",
    "loaners-masters": "拠点 機種 カテゴリ データタイプ 列",
    "loaners-forms": "質問 回答 収集",
    "loaners-transfer": "CSV Excel インポート エクスポート ファイル",
    "loaners-labels": "QRコード シール 印刷",
}
