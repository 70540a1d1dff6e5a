"""The labels of 週次レポート and 月次レポート."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboards.reservations.chore_words import minutes
from dashboards.ui import times
from dashboards.ui.columns import Row
from dashboards.ui.status import Status
from dashboards.ui.timeline import TimelineEvent

KIND = {"weekly": "週次レポート", "monthly": "月次レポート"}
BEFORE = {"weekly": "前週", "monthly": "前月"}
STATE = {
    "draft": Status("下書き", "orange", "edit_note"),
    "finished": Status("完成", "green", "check_circle"),
}
TEXTS = {"findings": "所見", "issues": "課題", "next_steps": "次の対応"}
_EVENTS = {
    "drafted": ("下書きを作成しました", "create"),
    "edited": ("本文を編集しました", "update"),
    "refreshed": ("数字を取り直しました", "update"),
    "finished": ("完成させました", "resolve"),
    "reopened": ("下書きに戻しました", "status_change"),
    "sent": ("メールで送信しました", "mail"),
}


def state(report: Row) -> str:
    return "finished" if report["finished_at"] else "draft"


def name(report: Row) -> str:
    """週次レポート（2031/1/3（金）〜1/9（木））"""
    return f"{KIND[report['kind']]} {report['period']}"


def share(ratio: Mapping[str, int]) -> float | None:
    return ratio["part"] / ratio["whole"] if ratio["whole"] else None


def sales(numbers: Row) -> int:
    return int(numbers["paid"] - numbers["refunded"])


def in_time(measure: Mapping[str, Any]) -> str:
    """9 / 12件（中央値 35分）"""
    if not measure["due"]:
        return "対象なし"
    median_note = f"（中央値 {minutes(measure['median_minutes'])}）" if measure["median_minutes"] is not None else ""
    return f"{measure['met']:,} / {measure['due']:,}件{median_note}"


def timeline_event(event: Row) -> TimelineEvent:
    title, kind = _EVENTS.get(event["kind"], (event["kind"], "update"))
    actor = "" if event["by"] == "システム" else event["by"]
    return TimelineEvent(times.parse(event["at"]), title, kind, actor, more=event["text"] or "")
