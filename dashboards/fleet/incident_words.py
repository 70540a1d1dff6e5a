"""Texts about incidents."""

from __future__ import annotations

from dashboards.contract.fleet import CONTRACT_TYPE, LEVEL, STEPS, EventItem, Happening, IncidentDetail, IncidentItem
from dashboards.ui import times
from dashboards.ui.status import Status, statuses
from dashboards.ui.timeline import TimelineEvent

INCIDENT_STATES = {
    "new": Status("未確認", "red", "notification_important"),
    "overdue": Status("期限超過", "red", "alarm"),
    "working": Status("対応中", "blue", "engineering"),
    "snoozed": Status("スヌーズ中", "gray", "snooze"),
    "resolved": Status("解決済み", "green", "check_circle"),
}
IMPACTS = statuses(
    LEVEL,
    {"high": ("red", "priority_high"), "middle": ("orange", "drag_handle"), "low": ("gray", "low_priority")},
) | {"over": Status("–", "gray", "remove")}
Incident = IncidentItem | IncidentDetail
IMPACT_HELP = (
    "最も影響の大きい店舗で停止している端末の割合（全台停止で60点）、契約種別（スタンダード保守10点、プレミアム保守20点）、"
    "営業時間の目安の内（20点）を合計し、70点以上を大、45点以上を中、それ未満を小とします。"
    "CPU・メモリの使用率と更新失敗は、決済を続けられるため停止に数えません。"
)


def place_text(incident: Incident) -> str:
    """What the affected terminals share: ABC商事 - 新宿店 レジ1番 for one terminal, 回線 203.0.113.0/24 for a
    network."""
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


def state_key(incident: Incident) -> str:
    """A key of INCIDENT_STATES."""
    if incident["resolved_at"]:
        return "resolved"
    if incident["snoozed_until"] and times.parse(incident["snoozed_until"]) > times.now():
        return "snoozed"
    if incident["response"] == "overdue":
        return "overdue"
    return "working" if incident["acknowledged_at"] else "new"


def impact_key(incident: Incident) -> str:
    """A key of IMPACTS."""
    return incident["impact"]["level"] if incident["impact"] else "over"


def stopped_text(incident: Incident) -> str:
    """1台中1台: how many terminals of the worst affected store are stopped."""
    impact = incident["impact"]
    if not impact:
        return "–"
    return f"{impact['terminals']:,}台中{impact['stopped']:,}台" if impact["stopped"] else "停止なし"


def impact_text(incident: Incident) -> str:
    """大（90点）: 店舗の端末1台中1台が停止、スタンダード保守、営業時間の目安の内"""
    impact = incident["impact"]
    if not impact:
        return ""
    stopped = f"店舗の端末{stopped_text(incident)}が停止" if impact["stopped"] else "停止している端末なし"
    hours = "営業時間の目安の内" if impact["is_trading"] else "営業時間の目安の外"
    level = IMPACTS[impact["level"]].label
    return f"{level}（{impact['score']}点）: {stopped}、{CONTRACT_TYPE[impact['contract_type']]}、{hours}"


def alert_count_text(alerts: int, incidents: int) -> str:
    """15件（障害 9件）: alerts that began together are one incident, which is one row in アラート一覧."""
    return f"{alerts:,}件" if alerts == incidents else f"{alerts:,}件（障害 {incidents:,}件）"


def next_step_text(incident: Incident) -> str:
    return STEPS.get(incident["step"] or 0, "–")


def timeline_event(event: EventItem | Happening) -> TimelineEvent:
    """One line of an incident's timeline."""
    details, user_name, text = event["detail"] or {}, event["by"] or "", event["text"] or ""
    count, reason = f"{details.get('terminals', 1):,}台", ""
    match event["kind"]:
        case "opened":
            title, kind = f"{count}の異常を検知しました", "alert"
        case "joined":
            title, kind = f"{count}が加わりました", "alert"
        case "reopened":
            title, kind = f"{count}に同じ異常が再び起きました", "alert"
        case "recovered":
            title, kind = f"{count}が復旧しました", "resolve"
        case "archived":
            title, kind = f"{count}がアーカイブされ、対象から外れました", "resolve"
        case "maintenance":
            title, kind, reason = f"{count}がメンテナンスに入りました", "status_change", text
        case "acknowledged":
            title, kind = "確認しました", "status_change"
        case "assigned":
            title, kind = f"担当を{text or '未割り当て'}にしました", "update"
        case "note":
            title, kind = text, "comment"
        case "step":
            title, kind = f"「{STEPS.get(details.get('step', 0), '手順')}」を完了しました", "resolve"
            reason = text
        case "snoozed":
            title, kind = f"{text}までスヌーズしました", "update"
        case "woken":
            title, kind = "スヌーズを終了しました", "update"
        case "reminded":
            title, kind = (
                f"「{STEPS.get(details.get('step', 0), '手順')}」の目標時間を過ぎたため、メールで知らせました",
                "mail",
            )
        case "resolved":
            title, kind, reason = "解決済みにしました", "resolve", text
        case _:
            title, kind = text or "更新しました", "update"
    machine = user_name.startswith("システム")
    return TimelineEvent(times.parse(event["at"]), title, kind, "" if machine else user_name, reason)
