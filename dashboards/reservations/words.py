"""The labels of 予約運用 with their colours and icons, the same on each of its pages."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.contract.reservations import (
    RESERVATION_STATE,
    SHOP_STATE,
    Called,
    PlanSummary,
    ReservationItem,
    ShopsShopItem,
    SimulationShopItem,
    StepItem,
)
from dashboards.ui import times
from dashboards.ui.status import Status, statuses

SHOP = statuses(
    SHOP_STATE,
    {
        "active": ("green", "check_circle"),
        "blacklisted": ("red", "block"),
        "archived": ("gray", "archive"),
    },
)
STATE = statuses(
    RESERVATION_STATE,
    {
        "requested": ("blue", "inbox"),
        "calling": ("blue", "call"),
        "pending_shop_response": ("orange", "hourglass_top"),
        "change_requested": ("orange", "edit_calendar"),
        "all_shops_refused": ("red", "block"),
        "calling_success": ("blue", "thumb_up"),
        "awaiting_payment": ("blue", "payments"),
        "expiring": ("orange", "timer_off"),
        "payment_timeout": ("gray", "timer_off"),
        "confirmed": ("green", "check_circle"),
        "completed": ("green", "task_alt"),
        "cancelled": ("gray", "cancel"),
        "refund_pending": ("orange", "currency_yen"),
        "refunded": ("gray", "undo"),
    },
)
WAITING = "waiting"
# The state in lists and details: 店舗への電話待ち while no shop can be called.
DISPLAY_STATE = STATE | {WAITING: Status("店舗への電話待ち", "gray", "schedule")}
MESSAGE = {
    "waiting": Status("送信待ち", "blue", "schedule_send"),
    "sent": Status("送信済み", "blue", "send"),
    "delivered": Status("配達済み", "green", "mark_email_read"),
    "undelivered": Status("不達", "red", "unsubscribe"),
    "failed": Status("送信失敗", "red", "error"),
    "dropped": Status("送信取りやめ", "gray", "block"),
}
PAYMENT = {
    "planned": Status("準備中", "blue", "hourglass_top"),
    "open": Status("決済待ち", "blue", "payments"),
    "paid": Status("決済済み", "green", "check_circle"),
    "expired": Status("期限切れ", "gray", "timer_off"),
    "failed": Status("作成失敗", "red", "error"),
}
REFUND = {
    "planned": Status("手続き前", "blue", "hourglass_top"),
    "pending": Status("手続き中", "orange", "hourglass_bottom"),
    "succeeded": Status("返金済み", "green", "check_circle"),
    "failed": Status("返金失敗", "red", "error"),
}
CHANNEL = {"sms": "SMS", "mail": "メール"}
RECIPIENT = {"customer": "依頼者", "shop": "店舗"}
WEEKDAYS = dict(enumerate(times.WEEKDAYS, 1))
NONE = "なし"


def display_state(reservation: ReservationItem | StepItem) -> str:
    """The key of DISPLAY_STATE."""
    return WAITING if reservation["waits_until"] else reservation["state"]


def clock(text: str) -> str:
    """9:00, from 09:00:00."""
    hour, minute = text.split(":")[:2]
    return f"{int(hour)}:{minute}"


def hours(shop: ShopsShopItem | Called | SimulationShopItem) -> str:
    return f"{clock(shop['opens_at'])}–{clock(shop['closes_at'])}"


def days(closed: Sequence[int]) -> str:
    return "・".join(WEEKDAYS[day] for day in closed) or NONE


def service_positions(shop: ShopsShopItem) -> str:
    """花束 1番、ケーキ 2番"""
    return "、".join(f"{service['name']} {service['place']:,}番" for service in shop["services"])


def yen(price: int) -> str:
    return f"¥{price:,}"


def plans(rows: Sequence[PlanSummary]) -> str:
    """S ¥3,300、M ¥5,500"""
    return "、".join(f"{plan['name']} {yen(plan['price'])}" for plan in rows)
