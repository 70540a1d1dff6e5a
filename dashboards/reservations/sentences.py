"""The state sentences of the first pages of 予約運用."""

from __future__ import annotations

from datetime import date, timedelta

from dashboards.contract.reservations import ManagementOverview, Today
from dashboards.reservations.figure_words import month, yen
from dashboards.ui import times
from dashboards.ui.sentence import Sentence


def today(data: Today) -> Sentence:
    text = (
        f"今日は予約を{data['requested']:,}件受け付けました。" if data["requested"] else "今日の予約はまだありません。"
    )
    if not data["still_open"]:
        return Sentence(f"{text}手動対応はすべて完了しています。", "success", "check_circle")
    text += f"手動対応が{data['still_open']:,}件残っています"
    if data["overdue"]:
        return Sentence(f"{text}（うち期限超過 {data['overdue']:,}件）。", "error", "alarm")
    return Sentence(f"{text}。期限を過ぎたものはありません。", "warning", "support_agent")


def management(data: ManagementOverview) -> Sentence:
    """The time of the count, and the newest month."""
    if not data["months"]:
        return Sentence("まだ集計された月はありません。毎日2:30に、前日までの予約と売上を集計します。")
    counted_at, newest = times.parse(data["counted_at"] or data["as_of"]), data["months"][-1]
    text = (
        f"{counted_at.month}月{counted_at.day}日 {counted_at.hour}:{counted_at.minute:02} 時点: "
        f"{month(newest['month'])}の予約は{newest['requested']:,}件、売上は{yen(newest['sales'])}です{until(data)}。"
    )
    if data["is_late"]:
        return Sentence(f"{text}直近の深夜の集計がまだ終わっていません。", "warning", "schedule")
    return Sentence(text, "info", "monitoring")


def until(data: ManagementOverview) -> str:
    """（11/21まで）, for a month that is not over."""
    if data["is_over"]:
        return ""
    day = last_day(data)
    return f"（{day.month}/{day.day}まで）"


def last_day(data: ManagementOverview) -> date:
    """The last whole day that was counted."""
    return (times.parse(data["counted_at"] or data["as_of"]) - timedelta(days=1)).date()


SENTENCES = {"reservations.today": today, "reservations.management": management}
