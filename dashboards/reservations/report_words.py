"""The labels of 週次レポート and 月次レポート."""

from __future__ import annotations

from dashboards.contract.reservations import (
    FIELDS,
    REPORT_KIND,
    DraftsReportItem,
    DraftsShare,
    HistoryEvent,
    InTime,
    Numbers,
    ReportDetail,
)
from dashboards.reservations.chore_words import minutes
from dashboards.ui import times
from dashboards.ui.status import Status
from dashboards.ui.timeline import TimelineEvent

STATE = {
    "draft": Status("下書き", "orange", "edit_note"),
    "finished": Status("完成", "green", "check_circle"),
}
_EVENTS = {
    "drafted": ("下書きを作成しました", "create"),
    "edited": ("本文を編集しました", "update"),
    "refreshed": ("数字を取り直しました", "update"),
    "finished": ("完成させました", "resolve"),
    "reopened": ("下書きに戻しました", "status_change"),
    "sent": ("メールで送信しました", "mail"),
}


def state(report: DraftsReportItem) -> str:
    return "finished" if report["finished_at"] else "draft"


def name(report: DraftsReportItem) -> str:
    """週次レポート（2031/1/3（金）〜1/9（木））"""
    return f"{REPORT_KIND[report['kind']]} {report['period']}"


def written(report: ReportDetail) -> list[tuple[str, str]]:
    """The texts with their labels."""
    return [
        (FIELDS["findings"], report["findings"]),
        (FIELDS["issues"], report["issues"]),
        (FIELDS["next_steps"], report["next_steps"]),
    ]


def share(ratio: DraftsShare) -> float | None:
    return ratio["part"] / ratio["whole"] if ratio["whole"] else None


def sales(numbers: Numbers) -> int:
    return numbers["paid"] - numbers["refunded"]


def in_time(measure: InTime) -> str:
    """9 / 12件（中央値 35分）"""
    if not measure["due"]:
        return "対象なし"
    median_note = f"（中央値 {minutes(measure['median_minutes'])}）" if measure["median_minutes"] is not None else ""
    return f"{measure['met']:,} / {measure['due']:,}件{median_note}"


def timeline_event(event: HistoryEvent) -> TimelineEvent:
    title, kind = _EVENTS.get(event["kind"], (event["kind"], "update"))
    actor = "" if event["by"] == "システム" else event["by"]
    return TimelineEvent(times.parse(event["at"]), title, kind, actor, details=event["text"] or "")
