"""端末管理 in 探す: the looks of states by kind, and further words that people call its pages by."""

from __future__ import annotations

from collections.abc import Mapping

from dashboards.fleet.words import ALERT, TERMINAL
from dashboards.ui.status import Status

STATES: Mapping[str, Mapping[str, Status]] = {
    "terminal": TERMINAL,
    "incident": ALERT | {"resolved": Status("解決済み", "green", "check_circle")},
}
PAGE_WORDS = {
    "dashboard": "稼働状況 稼働率 全体",
    "alerts": "障害 故障 オフライン 異常 一次対応",
    "customers": "会社 企業 取引先 契約",
    "terminals": "TC-200 決済端末 機械 シリアル番号 店舗",
    "enrolments": "エージェント 導入 設置 新しい端末",
    "firmware": "更新 アップデート 配信 バージョン",
    "reports": "月次 報告書 PDF",
}
