"""指標 and 履歴."""

from __future__ import annotations

from datetime import timedelta

from dashboards.gallery.samples import state
from dashboards.ui import figures, times
from dashboards.ui.figures import Figure
from dashboards.ui.timeline import TimelineEvent, timeline

WEEK = (88.0, 90.5, 89.0, 91.5, 90.0, 92.5, 92.0)


def figure_rows() -> None:
    with_changes = [
        Figure("今週の成功率", "92.0%", change=1.5, change_unit="ポイント", against="前週比", history=WEEK),
        Figure("未対応の不備", "7件", change=3, change_unit="件", good="down"),
        Figure("平均の待ち時間", "3分20秒", change=-12, change_unit="%", good="down"),
        Figure("今月の売上", "¥1,284,500", change=0, change_unit="%", against="前月比"),
        Figure("申込", "48件", change=5, change_unit="件", good="neither"),
    ]
    with state("figures.changes", "比較と推移", "良い方向への変化は緑、悪い方向への変化は赤で示します。"):
        figures.row(with_changes)
    with_notes = [
        Figure("総端末数", "10,234台", "うちメンテナンス中 12台"),
        Figure("オンライン", "9,876台", "オフライン 301台・エラー 45台"),
        Figure("稼働率", "96.5%", share=0.965, help="オンラインの台数 ÷ 総端末数で計算します。"),
    ]
    with state("figures.notes", "補足と割合"):
        figures.row(with_notes)
    with state("figures.faded", "更新できていないとき"):
        figures.row(with_notes, faded=True)
    online = Figure("稼働率", "96.5%", "現在オンライン 9,876台 ÷ 総端末数 10,234台", share=0.965)
    with state("figures.line", "1行で示す割合"):
        figures.line(online)
        figures.line(online, faded=True)
    with state("figures.loading", "読み込み中"):
        figures.loading()


def timelines() -> None:
    now = times.now()
    events = [
        TimelineEvent(now - timedelta(days=9), "代替機を登録しました", "create", "佐藤 健一"),
        TimelineEvent(
            now - timedelta(days=2),
            "代替機のステータスを「2.回収後社内保管」から「1.貸出中」に変更しました",
            "status_change",
            "山田 花子",
        ),
        TimelineEvent(
            now - timedelta(hours=3),
            "返却予定日を 2026/11/30 に変更しました",
            "update",
            "山田 花子",
            "お客様から延長のご依頼があったため",
        ),
        TimelineEvent(now - timedelta(minutes=12), "お知らせメールを送信しました", "mail"),
        TimelineEvent(now - timedelta(minutes=2), "返却予定日を過ぎています", "alert"),
    ]
    with state("timeline.filled", "新しい順の履歴"):
        timeline(events, key="gallery_timeline")
    with state("timeline.empty", "まだ記録がないとき"):
        timeline([], key="gallery_timeline_empty")
