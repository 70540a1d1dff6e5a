"""The labels of インシデント, with their colours and icons."""

from __future__ import annotations

from datetime import timedelta

from dashboards.contract import reservations as contract
from dashboards.contract.reservations import INCIDENT_STATUS, HistoryEvent, IncidentItem
from dashboards.reservations.operation_words import working_time
from dashboards.ui import times
from dashboards.ui.status import statuses
from dashboards.ui.timeline import TimelineEvent

LEVEL = statuses(
    contract.LEVEL,
    {
        "critical": ("red", "e911_emergency"),
        "high": ("orange", "keyboard_double_arrow_up"),
        "medium": ("blue", "keyboard_arrow_up"),
        "low": ("gray", "keyboard_arrow_down"),
    },
)
# The definitions of the specification (5.1), shown in the selection of a level.
DEFINITIONS = {
    "critical": "Critical: システム全体停止、決済システム障害",
    "high": "High: 一部機能停止、外部API障害",
    "medium": "Medium: パフォーマンス劣化、マニュアルオペ多発",
    "low": "Low: 軽微な不具合、一時的なエラー",
}
STATUS = statuses(
    INCIDENT_STATUS,
    {
        "open": ("red", "emergency_home"),
        "follow_up": ("orange", "pending_actions"),
        "done": ("green", "check_circle"),
    },
)
_EVENTS = {
    "opened": ("インシデントを登録しました", "create"),
    "edited": ("記録を編集しました", "update"),
    "level_changed": ("レベルを変更しました", "status_change"),
    "step_done": ("完了を記録しました", "resolve"),
    "note": ("メモ", "comment"),
    "resolved": ("解決済みにしました", "resolve"),
    "customers_told": ("依頼者に状況説明SMSを送りました", "sms"),
    "management_told": ("経営陣に報告しました", "mail"),
    "late": ("目標時間を過ぎたことを知らせました", "alert"),
}


def countdown(level: str, title: str | None, response: str | None, left_seconds: int | None, due_at: str | None) -> str:
    """初動対応 あと3分; in hours of the clock for Critical, in business hours for the other levels. – when nothing is
    due."""
    if title is None or left_seconds is None or due_at is None:
        return "–"
    if response == "overdue":
        return f"{title} {times.duration(times.now() - times.parse(due_at))}超過"
    if level == "critical":
        return f"{title} あと{times.duration(timedelta(seconds=left_seconds))}"
    return f"{title} あと{working_time(timedelta(seconds=left_seconds))}（営業時間）"


def time_left(incident: IncidentItem) -> str:
    return countdown(
        incident["level"],
        incident["next_title"],
        incident["next_response"],
        incident["left_seconds"],
        incident["next_due_at"],
    )


def timeline_event(event: HistoryEvent) -> TimelineEvent:
    title, kind = _EVENTS.get(event["kind"], (event["kind"], "update"))
    actor = "" if event["by"] == "システム" else event["by"]
    return TimelineEvent(times.parse(event["at"]), title, kind, actor, details=event["text"] or "")
