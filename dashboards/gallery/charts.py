"""グラフ in our style."""

from __future__ import annotations

from datetime import date, timedelta

from dashboards.gallery.samples import KINDS, state
from dashboards.ui import charts as shared

DAYS = [date(2026, 11, 15) + timedelta(days=number) for number in range(7)]


def charts() -> None:
    with state("chart.line", "折れ線"):
        shared.line(
            "今週の成功率は92%（目標95%）",
            DAYS,
            {"予約": [88, 90, 89, 92, 91, 93, 92], "決済": [94, 95, 93, None, 96, 95, 97]},
            unit="%",
            key="gallery_line",
            goal=95,
        )
    with state("chart.bar", "棒"):
        shared.bar(
            "申込は金曜日に最も多い（1日平均の3倍）",
            DAYS,
            {"申込": [120, 0, 340, 410, 388, 1012, 96]},
            unit="件",
            key="gallery_bar",
        )
    with state("chart.stacked", "積み上げ"):
        shared.stacked(
            "オフラインは梅田店に集中している",
            ["新宿店", "渋谷店", "梅田店", "難波店"],
            {"オンライン": [120, 98, 64, 88], "エラー": [2, 1, 6, 0], "オフライン": [1, 0, 31, 2]},
            unit="台",
            key="gallery_stacked",
            statuses=KINDS.values(),
        )
    with state("chart.empty", "データがないとき"):
        shared.line("", DAYS, {"予約": [None] * 7}, unit="%", key="gallery_chart_empty")
