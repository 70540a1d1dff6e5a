"""The labels of 問い合わせ, with their colours and icons."""

from __future__ import annotations

from dashboards.contract import reservations as contract
from dashboards.contract.reservations import ENQUIRY_STATUS, EnquiriesEventItem, EnquiryItem, Standing
from dashboards.reservations.incident_words import countdown
from dashboards.ui import times
from dashboards.ui.status import Status, statuses
from dashboards.ui.timeline import TimelineEvent

PARTY = statuses(
    contract.PARTY,
    {
        "customer": ("blue", "person"),
        "shop": ("orange", "storefront"),
    },
)
STATUS = statuses(
    ENQUIRY_STATUS,
    {
        "received": ("orange", "inbox"),
        "working": ("blue", "support_agent"),
        "waiting": ("gray", "hourglass_top"),
        "resolved": ("green", "check_circle"),
    },
)
FAQ = statuses(
    contract.FAQ,
    {
        "none": ("gray", "remove"),
        "wanted": ("orange", "playlist_add"),
        "added": ("green", "check_circle"),
        "declined": ("gray", "block"),
    },
)
# The specification's terms: for customers (7.1.2), and for shops (7.2.2).
METHOD = {
    "faq": "FAQ記載内容（その場で回答）",
    "system": "システム確認（確認して回答）",
    "manual": "マニュアルオペレーション",
}
SHOP_METHOD = {
    "faq": "FAQ記載内容（その場で回答）",
    "system": "予約内容確認（システムで確認して回答）",
    "manual": "予約変更依頼（依頼者に連絡して確認）",
}
SENDING = {
    "waiting": Status("送信待ち", "blue", "schedule_send"),
    "sent": Status("送信済み", "green", "send"),
    "failed": Status("送信失敗", "red", "error"),
}
# The conversation: its text is shown as it is, and the history names only the event.
CONVERSATION = {"mailed": "メールで回答", "called": "電話で話した内容", "replied": "相手からの返信"}
_EVENTS = {
    "received": ("問い合わせを受け付けました", "create"),
    "acknowledged": ("受付の確認メールを送りました", "mail"),
    "edited": ("内容を編集しました", "update"),
    "claimed": ("担当になりました", "update"),
    "handed_over": ("担当を引き継ぎました", "update"),
    "mailed": ("メールで回答しました", "mail"),
    "called": ("電話で話しました", "call"),
    "not_reached": ("電話しましたが、つながりませんでした", "call"),
    "note": ("メモ", "comment"),
    "replied": ("相手から返信がありました", "comment"),
    "to_operations": ("手動対応にしました", "status_change"),
    "resolved": ("解決にしました", "resolve"),
    "reopened": ("対応を再開しました", "status_change"),
    "warned": ("目標時間が近いことを知らせました", "alert"),
    "breached": ("目標時間を過ぎたことを知らせました", "alert"),
}


def methods(enquiry: EnquiryItem) -> dict[str, str]:
    return SHOP_METHOD if enquiry["party"] == "shop" else METHOD


def channel(enquiry: EnquiryItem) -> str:
    return "Email（フォーム）" if enquiry["is_from_form"] else contract.CHANNEL[enquiry["channel"]]


def owner(enquiry: EnquiryItem) -> str:
    return enquiry["owner"]["name"] if enquiry["owner"] else "なし"


def next_target(enquiry: EnquiryItem) -> str:
    """初回応答 あと1時間12分（営業時間）"""
    return countdown("low", enquiry["due_title"], enquiry["response"], enquiry["left_seconds"], enquiry["due_at"])


def minutes(count: int | None) -> str:
    """Working minutes: 1日 could be read as 24 hours."""
    if count is None:
        return "–"
    hours, remaining = divmod(count, 60)
    return f"{hours}時間{f'{remaining}分' if remaining else ''}" if hours else f"{remaining}分"


def target_text(target: Standing) -> str:
    """One line about a target that is met, missed or still open."""
    due_at = times.stamp(target["due_at"])
    if target["done_at"] is None:
        return f"目標 {due_at}"
    done_at = times.stamp(target["done_at"])
    return f"{done_at}・{target['done_by']}（営業時間で{minutes(target['minutes'])}、目標 {due_at}）"


def timeline_event(event: EnquiriesEventItem) -> TimelineEvent:
    title, kind = _EVENTS.get(event["kind"], (event["kind"], "update"))
    text = event["text"] or ""
    if event["kind"] == "handed_over":
        title, text = f"{text}に{title}", ""
    elif event["kind"] == "claimed":
        text = ""
    elif event["kind"] in ("warned", "breached"):
        title, text = f"{text}の{title}", ""
    elif event["kind"] in CONVERSATION:
        text = ""
    if event["sending"]:
        title = f"{title}（{SENDING[event['sending']].label}）"
    actor = "" if event["by"] == "システム" else event["by"]
    failed = event["sending"] == "failed"
    return TimelineEvent(times.parse(event["at"]), title, "alert" if failed else kind, actor, details=text)
