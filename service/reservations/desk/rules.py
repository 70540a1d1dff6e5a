"""The actions that operators may take on a reservation now, and its events as text. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from service.reservations.flow.progress import progress, waits_until
from service.reservations.state_machine import events as e
from service.reservations.state_machine import rules as machine
from service.reservations.state_machine.case import Case
from service.reservations.state_machine.events import Event
from service.reservations.state_machine.rules import Outcome
from service.reservations.state_machine.states import WAITING_LABEL, Purpose, State, Task

SOURCE_LABELS = {
    "system": "自動処理",
    "assistant": "AIアシスタント",
    "customer": "依頼者",
    "stripe": "Stripe",
    "twilio": "Twilio",
    "bland": "電話代行",
    "operator": "運営担当者",
}
PURPOSE_LABELS = {
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
# Tokens of payment and cancellation links are the customer's.
_LINK_TOKEN = re.compile(r"(/(?:pay|cancel)/)[A-Za-z0-9_-]+")


def possible_actions(case: Case, now: datetime) -> list[str]:
    """The names of the possible actions: the state machine itself is asked, so that no button leads to a refusal."""
    candidates: dict[str, Event] = {
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
    possible = [name for name, event in candidates.items() if machine.apply(case, event, now).ignored is None]
    if "cancel" in possible:
        possible.remove("cancel_late")
    if case.sms_fails and "send_link" in possible:
        # SMS to this number fails: the same task would be opened again at once.
        possible.remove("send_link")
    return possible


def replay_step(outcome: Outcome, at: datetime, shops: Mapping[int, str]) -> dict[str, Any]:
    """The reservation's state after an event."""
    case = outcome.case
    paused_until = waits_until(case, at)
    return {
        "ignored": outcome.ignored,
        "led_to": effect_texts([e.effect_as_json(effect) for effect in outcome.effects], shops),
        "state": case.state,
        "state_title": case.state.label if paused_until is None else WAITING_LABEL,
        "waits_until": paused_until,
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
    """Whether the reservation waits until operators decide this."""
    return case.state in _BLOCKING_STATES.get(task, ()) or (task is Task.REFUND_FAILED and case.refund_fails)


_BLOCKING_STATES: Mapping[Task, tuple[State, ...]] = {
    Task.VAGUE_ANSWER: (State.PENDING_SHOP_RESPONSE,),
    Task.CHANGE_REQUESTED: (State.CHANGE_REQUESTED,),
    Task.ALL_SHOPS_REFUSED: (State.ALL_SHOPS_REFUSED,),
    Task.SMS_FAILED: (State.CALLING_SUCCESS,),
    Task.PAYMENT_TROUBLE: (State.CALLING_SUCCESS,),
}


def without_tokens(body: str) -> str:
    """A message as it was sent, without the tokens of the customer's links."""
    return _LINK_TOKEN.sub(r"\1…", body)


def effect_texts(effects: Iterable[Mapping[str, Any]], shops: Mapping[int, str]) -> list[str]:
    """Texts for the effects that users see, as stored in the timeline."""
    return [effect_text(effect, shops) for effect in effects if effect["kind"] != "Solved"]


def effect_text(effect: Mapping[str, Any], shops: Mapping[int, str]) -> str:
    """The text for one effect, as stored in the timeline."""
    shop = shops.get(effect.get("shop") or 0, UNLISTED)
    match effect["kind"]:
        case "ToCustomer":
            channel = "メール" if effect["by_mail"] else "SMS"
            return f"依頼者へ{PURPOSE_LABELS[Purpose(effect['purpose'])]}（{channel}）"
        case "ToShop":
            # An unlisted shop has no mail address: operators notify it.
            channel = "メール" if effect.get("shop") else "電話などで"
            return f"{shop}へ{PURPOSE_LABELS[Purpose(effect['purpose'])]}（{channel}）"
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
            return f"手動対応「{Task(effect['task']).label}」"
    return "対応済みの手動対応を完了"
