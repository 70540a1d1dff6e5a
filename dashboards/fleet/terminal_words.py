"""Texts of a terminal's history."""

from __future__ import annotations

from typing import Any

from dashboards.contract.fleet import COMMAND_NAME, FATE, FIELDS, Happening
from dashboards.fleet import incident_words
from dashboards.fleet.words import ALERT, COMMAND_STATES, TERMINAL
from dashboards.ui import times
from dashboards.ui.status import UNKNOWN
from dashboards.ui.timeline import TimelineEvent

_LABELS = FIELDS | {"customer_id": "顧客"}


def timeline_event(item: Happening) -> TimelineEvent:
    """One line of a terminal's timeline, which has three kinds of sources."""
    if item["source"] == "incident":
        return incident_words.timeline_event(item)
    if item["source"] == "alert":
        title, kind = _alert_text(item)
    else:
        title, kind = _log_text(item["kind"], item["detail"] or {}, item["status"])
    by = item["by"] or ""
    user_name = "" if by.startswith("システム") else by
    detail = item["detail"] or {}
    return TimelineEvent(
        times.parse(item["at"]), title, kind, user_name, detail.get("reason") or detail.get("error") or ""
    )


def _alert_text(item: Happening) -> tuple[str, str]:
    label = ALERT.get(item["alert_type"] or "", UNKNOWN).label
    if item["kind"] == "alert_resolved":
        return f"アラート「{label}」が解決しました", "resolve"
    return f"アラート「{label}」が発生しました: {item['text'] or ''}".removesuffix(": "), "alert"


def _log_text(kind: str, detail: dict[str, Any], status: str | None) -> tuple[str, str]:
    match kind:
        case "status":
            before, now = (TERMINAL.get(code or "", UNKNOWN).label for code in (detail.get("from"), status))
            return f"状態が「{before}」から「{now}」に変わりました", "status_change"
        case "firmware":
            return f"ファームウェアが{detail.get('from')}から{detail.get('to')}に変わりました", "update"
        case "clock_skew":
            return f"店舗PCの時計が{abs(detail.get('seconds') or 0):,}秒ずれています", "alert"
        case "started":
            return f"エージェント（版 {detail.get('version') or '不明'}）が起動しました", "login"
        case "connected":
            return f"TC-200（{detail.get('serial') or 'シリアル番号不明'}）がつながりました", "resolve"
        case "update_offered" | "update_succeeded" | "update_failed":
            text, icon = _UPDATES[kind]
            return f"ファームウェア {detail.get('version') or '（版不明）'} への更新{text}", icon
        case "swapped":
            fate = FATE.get(detail.get("fate") or "", "")
            return f"本体を{detail.get('from')}から{detail.get('to')}に交換しました（旧本体: {fate}）", "update"
        case "command":
            label = COMMAND_NAME.get(detail.get("name") or "", "指示")
            return f"{label}: {COMMAND_STATES.get(detail.get('state') or '', UNKNOWN).label}", "update"
        case "edited":
            if detail.get("source") == "import":
                return "取り込みで登録内容を変更しました", "update"
            fields = "・".join(_LABELS.get(name, name) for name in detail.get("fields", []))
            return f"登録内容を変更しました（{fields}）", "update"
        case "tagged":
            return f"タグを変更しました（{_tags_text(detail)}）", "update"
        case "maintenance_planned":
            span = "～".join(times.stamp(detail[name]) for name in ("starts_at", "ends_at") if detail.get(name))
            return f"メンテナンスを予定しました（{span}）", "create"
    return _FIXED_TEXTS.get(kind, ("記録されました", "update"))


_UPDATES = {
    "update_offered": ("を指示しました", "update"),
    "update_succeeded": ("が完了しました", "resolve"),
    "update_failed": ("に失敗しました", "alert"),
}


def _tags_text(detail: dict[str, Any]) -> str:
    parts = []
    for name, label in (("added", "追加"), ("removed", "削除")):
        if detail.get(name):
            parts.append(f"{label}: {'、'.join(detail[name])}")
    return "／".join(parts)


_FIXED_TEXTS = {
    "registered": ("端末を登録しました", "create"),
    "enrolled": ("店舗PCのエージェントを登録しました", "create"),
    "shutdown": ("店舗PCが正常に終了しました", "logout"),
    "disconnected": ("TC-200との接続が切れました", "alert"),
    "cloned": ("2台の店舗PCが同じトークンで通信しています", "alert"),
    "token_rotated": ("トークンを更新しました", "update"),
    "token_revoked": ("トークンを失効させました", "delete"),
    "archived": ("端末をアーカイブしました", "delete"),
    "restored": ("端末を元に戻しました", "create"),
    "maintenance_started": ("メンテナンスを開始しました", "status_change"),
    "maintenance_ended": ("メンテナンスを終了しました", "status_change"),
    "maintenance_cancelled": ("メンテナンスの予定を取り消しました", "cancel"),
}
