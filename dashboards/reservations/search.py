"""予約運用 in 探す: the looks of states by kind, and further words that people call its pages by."""

from __future__ import annotations

from collections.abc import Mapping

from dashboards.reservations.enquiry_words import STATUS as ENQUIRY
from dashboards.reservations.incident_words import STATUS as INCIDENT
from dashboards.reservations.words import DISPLAY_STATE, SHOP
from dashboards.ui.status import Status

STATES: Mapping[str, Mapping[str, Status]] = {
    "reservation": DISPLAY_STATE,
    "shop": SHOP,
    "enquiry": ENQUIRY,
    "incident": INCIDENT,
}
PAGE_WORDS = {
    "reservations-dashboard": "全体 集計 成約率",
    "management": "経営 売上 月次 KPI",
    "operations": "オペレーター 当番 シフト 対応待ち",
    "reservations": "QRV 依頼者 電話番号 決済 返金",
    "enquiries": "お問い合わせ クレーム 品質 アンケート",
    "incidents": "障害 INC 復旧 事後対応",
    "chores": "日次 週次 月次 点検 作業",
    "reservations-reports": "週次 月次 報告書",
    "monitoring": "アラーム 警報 閾値",
    "shops": "店舗 お店 電話順 利用停止 ブラックリスト",
    "shop-order-simulation": "電話順 試算",
    "services": "プラン 価格 料金表",
    "manuals": "マニュアル ヘルプ FAQ 説明",
    "assistants": "AI MCP トークン 接続",
}
