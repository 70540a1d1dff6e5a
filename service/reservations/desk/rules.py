"""What operators may do to a reservation now, and what happened to it in words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from service.reservations.cases.rules import Case
from service.reservations.events import rules as e
from service.reservations.events.rules import Event, Purpose, Task
from service.reservations.machine import rules as machine
from service.reservations.machine.rules import Outcome
from service.reservations.operations.rules import TASK_WORDS
from service.reservations.progress.rules import progress, waits_until

SOURCE_WORDS = {
    "system": "自動処理",
    "assistant": "AIアシスタント",
    "customer": "依頼者",
    "stripe": "Stripe",
    "twilio": "Twilio",
    "bland": "電話代行",
    "operator": "運営担当者",
}
PURPOSE_WORDS = {
    Purpose.REQUEST_RECEIVED: "受付のお知らせ",
    Purpose.ALL_SHOPS_REFUSED: "予約できなかったお知らせ",
    Purpose.PAYMENT_LINK: "決済リンク",
    Purpose.PAYMENT_TIMEOUT: "決済期限切れのお知らせ",
    Purpose.CONFIRMED: "予約確定のお知らせ",
    Purpose.REMINDER: "リマインダー",
    Purpose.CANCELLED: "キャンセルのお知らせ",
    Purpose.REFUNDED: "返金のお知らせ",
    Purpose.INCIDENT: "障害の状況のお知らせ",
    Purpose.HELD: "仮予約のお知らせ",
    Purpose.BOOKED: "予約確定のお知らせ",
    Purpose.RELEASED: "仮予約・予約の取り消し",
    Purpose.DECLINED: "見送りのお知らせ",
    Purpose.CORRECTED: "お客様情報の訂正のお知らせ",
}
UNLISTED = "一覧にない店舗"
# What opens a payment or a cancellation is the customer's.
_KEY = re.compile(r"(/(?:pay|cancel)/)[A-Za-z0-9_-]+")


def actions(case: Case, now: datetime) -> list[str]:
    """What is possible now, by name: the machine itself is asked, so that no button leads to a refusal."""
    tried: dict[str, Event] = {
        "shop_ok": e.ShopOk(note="-"),
        "shop_refused": e.ShopRefused(),
        "accept_change": e.ChangeAccepted(starts_at=case.starts_at, price=case.price),
        "refuse_change": e.ChangeRefused(),
        "rearrange": e.Rearranged(starts_at=case.starts_at, price=case.price, order=case.order),
        "send_link": e.CheckoutRetried(),
        "mail_link": e.CheckoutRetried(by_mail=True),
        "cancel": e.CancelAsked(by="operator"),
        "cancel_late": e.CancelAsked(by="operator", special=True),
        "retry_refund": e.RefundRetried(),
        "refunded_otherwise": e.RefundedOtherwise(),
    }
    found = [name for name, event in tried.items() if machine.apply(case, event, now).ignored is None]
    if "cancel" in found:
        found.remove("cancel_late")
    if case.sms_fails and "send_link" in found:
        # The number takes none: it would be here again at once.
        found.remove("send_link")
    return found


def step(outcome: Outcome, at: datetime, shops: Mapping[int, str]) -> dict[str, Any]:
    """How it stood once an event had been decided."""
    case = outcome.case
    later = waits_until(case, at)
    return {
        "ignored": outcome.ignored,
        "led_to": effects_in_words([e.told(effect) for effect in outcome.effects], shops),
        "state": case.state,
        "state_title": e.STATE_WORDS[case.state] if later is None else e.WAITING_WORDS,
        "waits_until": later,
        "progress": progress(case, at).sentence,
        "round": case.round,
        "calls": case.calls,
        "shop_name": UNLISTED if case.is_unlisted else shops.get(case.shop or 0),
        "asked_name": shops.get(case.asked or 0),
        "starts_at": case.starts_at,
        "price": case.price,
        "paid": case.paid,
        "refunded": case.refunded,
        "pay_until": case.deadline,
        "next_action_at": case.next_action_at,
    }


def is_waiting_for(case: Case, task: Task) -> bool:
    """Whether the reservation stands still until people have decided this."""
    return case.state in _STANDS_STILL.get(task, ()) or (task is Task.REFUND_FAILED and case.refund_fails)


_STANDS_STILL: Mapping[Task, tuple[e.State, ...]] = {
    Task.VAGUE_ANSWER: (e.State.PENDING_SHOP_RESPONSE,),
    Task.CHANGE_REQUESTED: (e.State.CHANGE_REQUESTED,),
    Task.ALL_SHOPS_REFUSED: (e.State.ALL_SHOPS_REFUSED,),
    Task.SMS_FAILED: (e.State.CALLING_SUCCESS,),
    Task.PAYMENT_TROUBLE: (e.State.CALLING_SUCCESS,),
}


def without_keys(body: str) -> str:
    """A message as it was sent, but for what opens the customer's pages."""
    return _KEY.sub(r"\1…", body)


def effects_in_words(effects: Iterable[Mapping[str, Any]], shops: Mapping[int, str]) -> list[str]:
    """Those that a person reads about, as the timeline keeps them."""
    return [led_to(effect, shops) for effect in effects if effect["kind"] != "Solved"]


def led_to(effect: Mapping[str, Any], shops: Mapping[int, str]) -> str:
    """What an event led to, as it stands in the timeline."""
    shop = shops.get(effect.get("shop") or 0, UNLISTED)
    match effect["kind"]:
        case "ToCustomer":
            how = "メール" if effect["by_mail"] else "SMS"
            return f"依頼者へ{PURPOSE_WORDS[Purpose(effect['purpose'])]}（{how}）"
        case "ToShop":
            # There is no address of an unlisted shop: people tell it.
            how = "メール" if effect.get("shop") else "電話などで"
            return f"{shop}へ{PURPOSE_WORDS[Purpose(effect['purpose'])]}（{how}）"
        case "Call":
            return f"{shop}へ電話"
        case "StopCall":
            return f"{effect['number']}回目の電話を中止"
        case "Checkout":
            return f"決済ページを作成（¥{effect['amount']:,}）"
        case "Expire":
            return "決済ページを閉じる"
        case "Refund":
            return f"返金（¥{effect['amount']:,}）"
        case "ForPeople":
            return f"手動対応「{TASK_WORDS[Task(effect['task'])]}」"
    return "対応済みの手動対応を完了"
