"""The words of 週次レポート and 月次レポート."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboards.reservations.chore_words import minutes
from dashboards.ui import times
from dashboards.ui.columns import Row
from dashboards.ui.status import Status
from dashboards.ui.timeline import Happening

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


def share(one: Mapping[str, int]) -> float | None:
    return one["part"] / one["whole"] if one["whole"] else None


def sales(numbers: Row) -> int:
    return int(numbers["paid"] - numbers["refunded"])


def in_time(one: Mapping[str, Any]) -> str:
    """9 / 12件（中央値 35分）"""
    if not one["due"]:
        return "対象なし"
    middle = f"（中央値 {minutes(one['median_minutes'])}）" if one["median_minutes"] is not None else ""
    return f"{one['met']:,} / {one['due']:,}件{middle}"


def happened(event: Row) -> Happening:
    said, kind = _EVENTS.get(event["kind"], (event["kind"], "update"))
    who = "" if event["by"] == "システム" else event["by"]
    return Happening(times.parse(event["at"]), said, kind, who, more=event["text"] or "")
