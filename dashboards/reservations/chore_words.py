"""The labels of 定期作業, with their colours and icons."""

from __future__ import annotations

from dashboards.contract.reservations import TURN_STATE, HistoryEvent, TurnItem
from dashboards.menu import MENU
from dashboards.pages import Entry
from dashboards.session import has_permission
from dashboards.ui import times
from dashboards.ui.status import statuses
from dashboards.ui.timeline import TimelineEvent

STATE = statuses(
    TURN_STATE,
    {
        "planned": ("gray", "schedule"),
        "now": ("blue", "play_circle"),
        "overdue": ("red", "alarm"),
        "missed": ("orange", "event_busy"),
        "done": ("green", "check_circle"),
        "skipped": ("gray", "skip_next"),
    },
)
_EVENTS = {
    "done": ("完了にしました", "resolve"),
    "skipped": ("見送りにしました", "cancel"),
    "reopened": ("元に戻しました", "update"),
}
WEEK_OF_MINUTES = 7 * 24 * 60


def minutes(count: int | None) -> str:
    """5分, 1時間30分, 1週間; 変動 when there is no estimate."""
    if count is None:
        return "変動"
    if count and count % WEEK_OF_MINUTES == 0:
        return f"{count // WEEK_OF_MINUTES}週間"
    hours, remaining = divmod(count, 60)
    return f"{hours}時間{remaining}分" if hours and remaining else f"{hours}時間" if hours else f"{remaining}分"


def due_text(turn: TurnItem) -> str:
    """11/24（火）18:00; – for what is done anytime."""
    return short_time(turn["due_at"]) if turn["due_at"] else "–"


def short_time(text: str) -> str:
    """11/24（火）18:00, with the year when it is not this one."""
    local = times.parse(text)
    year = "" if local.year == times.now().year else f"{local.year}/"
    return f"{year}{local.month}/{local.day}（{times.WEEKDAYS[local.weekday()]}）{local.hour}:{local.minute:02}"


def done_text(turn: TurnItem) -> str:
    """11/24（火）10:12 運営 太郎"""
    if not turn["done_at"]:
        return "–"
    late = "（期限後）" if turn["was_late"] else ""
    return f"{short_time(turn['done_at'])}{late}　{turn['done_by']}"


def timeline_event(event: HistoryEvent) -> TimelineEvent:
    title, kind = _EVENTS.get(event["kind"], (event["kind"], "update"))
    return TimelineEvent(times.parse(event["at"]), title, kind, event["by"], details=event["text"] or "")


def pages() -> dict[str, str]:
    """The pages that a chore can link to: address → title."""
    return {entry.url_path: entry.title for entry in MENU if entry.in_menu and entry.area in ("reservations", "core")}


def page_of(address: str) -> Entry | None:
    """The page at that address, if the user may open it."""
    path = address.partition("?")[0]
    page = next((entry for entry in MENU if path and entry.url_path == path), None)
    return page if page and (page.permission is None or has_permission(page.permission)) else None
