"""Incidents in words."""

from __future__ import annotations

from typing import Any

from dashboards.fleet.words import CONTRACT
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
IMPACTS = {
    "high": Status("大", "red", "priority_high"),
    "middle": Status("中", "orange", "drag_handle"),
    "low": Status("小", "gray", "low_priority"),
    "over": Status("–", "gray", "remove"),
}
IMPACT_HELP = (
    "最も影響の大きい店舗で停止している端末の割合（全台停止で60点）、契約種別（スタンダード保守10点、プレミアム保守20点）、"
    "営業時間の目安の内（20点）を合計し、70点以上を大、45点以上を中、それ未満を小とします。"
    "CPU・メモリの使用率と更新失敗は、決済を続けられるため停止に数えません。"
)
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


def impact_of(incident: Row) -> str:
    """A key of IMPACTS."""
    return incident["impact"]["level"] if incident["impact"] else "over"


def standstill(incident: Row) -> str:
    """1台中1台: of the worst affected store's terminals, those that stand still."""
    known = incident["impact"]
    if not known:
        return "–"
    return f"{known['terminals']:,}台中{known['stopped']:,}台" if known["stopped"] else "停止なし"


def why(incident: Row) -> str:
    """大（90点）: 店舗の端末1台中1台が停止、スタンダード保守、営業時間の目安の内"""
    known = incident["impact"]
    if not known:
        return ""
    stopped = f"店舗の端末{standstill(incident)}が停止" if known["stopped"] else "停止している端末なし"
    hours = "営業時間の目安の内" if known["is_trading"] else "営業時間の目安の外"
    word = IMPACTS[known["level"]].word
    return f"{word}（{known['score']}点）: {stopped}、{CONTRACT[known['contract_type']]}、{hours}"


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
