"""Incidents in words."""

from __future__ import annotations

from typing import Any

from dashboards.ui import times
from dashboards.ui.columns import Row
from dashboards.ui.status import Status
from dashboards.ui.timeline import Happening

INCIDENT_STATES = {
    "new": Status("未確認", "red", "notification_important"),
    "overdue": Status("期限超過", "red", "alarm"),
    "working": Status("対応中", "blue", "engineering"),
    "snoozed": Status("スヌーズ中", "gray", "snooze"),
    "resolved": Status("解決済み", "green", "check_circle"),
}
STEPS = {2: "初動確認", 3: "リモート診断", 4: "顧客連絡", 5: "対応実施", 6: "完了報告"}


def where(incident: Row) -> str:
    """What its members share: ABC商事 - 新宿店 レジ1番 for one terminal, 回線 203.0.113.0/24 for a network."""
    match incident["scope"]:
        case "terminal":
            return f"{incident['customer_name']} - {incident['store_name']}"
        case "store":
            return f"{incident['customer_name']} - {incident['store_name']}（{incident['members']:,}台）"
        case "customer":
            return f"{incident['customer_name']}（{incident['members']:,}台）"
        case "network":
            return f"回線 {incident['network']}（{incident['members']:,}台）"
    return f"複数の顧客・回線（{incident['members']:,}台）"


def state_of(incident: Row) -> str:
    """A key of INCIDENT_STATES."""
    if incident["resolved_at"]:
        return "resolved"
    if incident["snoozed_until"] and times.parse(incident["snoozed_until"]) > times.now():
        return "snoozed"
    if incident["response"] == "overdue":
        return "overdue"
    return "working" if incident["acknowledged_at"] else "new"


def in_all(alerts: int, incidents: int) -> str:
    """15件（障害 9件）: alerts that began together are one incident, which アラート一覧 shows as one row."""
    return f"{alerts:,}件" if alerts == incidents else f"{alerts:,}件（障害 {incidents:,}件）"


def next_step(incident: Row) -> str:
    return STEPS.get(incident["step"], "–")


def happened(event: dict[str, Any]) -> Happening:
    """One line of an incident's timeline."""
    detail, who, text = event["detail"] or {}, event["by"], event["text"] or ""
    count, reason = f"{detail.get('terminals', 1):,}台", ""
    match event["kind"]:
        case "opened":
            what, kind = f"{count}の異常を検知しました", "alert"
        case "joined":
            what, kind = f"{count}が加わりました", "alert"
        case "reopened":
            what, kind = f"{count}に同じ異常が再び起きました", "alert"
        case "recovered":
            what, kind = f"{count}が復旧しました", "resolve"
        case "archived":
            what, kind = f"{count}がアーカイブされ、対象から外れました", "resolve"
        case "maintenance":
            what, kind, reason = f"{count}がメンテナンスに入りました", "status_change", text
        case "acknowledged":
            what, kind = "確認しました", "status_change"
        case "assigned":
            what, kind = f"担当を{text or '未割り当て'}にしました", "update"
        case "note":
            what, kind = text, "comment"
        case "step":
            what, kind = f"「{STEPS.get(detail.get('step', 0), '手順')}」を完了しました", "resolve"
            reason = text
        case "snoozed":
            what, kind = f"{text}までスヌーズしました", "update"
        case "woken":
            what, kind = "スヌーズを終了しました", "update"
        case "reminded":
            what, kind = (
                f"「{STEPS.get(detail.get('step', 0), '手順')}」の目標時間を過ぎたため、メールで知らせました",
                "mail",
            )
        case "resolved":
            what, kind, reason = "解決済みにしました", "resolve", text
        case _:
            what, kind = text or "更新しました", "update"
    machine = who.startswith("システム")
    return Happening(times.parse(event["at"]), what, kind, "" if machine else who, reason)
