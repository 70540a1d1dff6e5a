"""What follows from what vendors say. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

# How long a vendor is left alone before it is asked how something stands, should it say nothing by itself.
LOOK_PAUSES: Mapping[str, timedelta] = {
    "call": timedelta(seconds=15),
    "payment": timedelta(seconds=60),
    "refund": timedelta(minutes=15),
    "sms": timedelta(minutes=15),
}
FIRST_LOOK: Mapping[str, timedelta] = {
    "call": timedelta(seconds=30),
    "payment": timedelta(seconds=60),
    "refund": timedelta(seconds=60),
    "sms": timedelta(minutes=2),
}
# After that Twilio gives up, too; not every carrier says whether an SMS arrived.
SMS_LOOKED_AT = timedelta(hours=10)
# Between one try of an SMS and the next, also when it was accepted and did not arrive (jobs.vendors.sms has the same).
SMS_PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15))
# Of the telephone or the moment: the same SMS may arrive later. All other codes are for good.
PASSING_CODES = frozenset({"", "30001", "30003", "30008", "30022"})
# Why an SMS that went out did not arrive, as far as Twilio says it.
_SMS_CAUSES = {
    "30003": "電話の電源が入っていないか、圏外です",
    "30004": "相手がSMSの受信を拒否しています",
    "30005": "使われていない番号です",
    "30006": "固定電話など、SMSを受け取れない番号です",
    "30007": "通信会社がSMSを止めました",
    "30008": "通信会社で原因不明の問題が起きています",
}
# Why Stripe could not give money back, and what a customer's bank holds against a payment.
_REFUND_CAUSES = {
    "charge_for_pending_refund_disputed": "支払いへの異議があり、返金できませんでした",
    "declined": "カード会社が返金を受け付けませんでした",
    "expired_or_canceled_card": "カードが有効期限切れか、解約されています",
    "insufficient_funds": "Stripeの残高が足りません",
    "lost_or_stolen_card": "カードの紛失・盗難が届け出られています",
    "merchant_request": "返金が取り消されました",
}
_DISPUTES = {
    "credit_not_processed": "返金されていないとの申し立てです",
    "duplicate": "二重に支払ったとの申し立てです",
    "fraudulent": "身に覚えのない支払いとの申し立てです",
    "product_not_received": "商品を受け取っていないとの申し立てです",
    "product_unacceptable": "商品に問題があったとの申し立てです",
    "unrecognized": "支払いに心当たりがないとの申し立てです",
}
# Vendors tell things in any order: what is further along is not taken back.
SMS_RANKS = {"accepted": 0, "scheduled": 0, "queued": 1, "sending": 2, "sent": 3, "delivered": 4}
SMS_GONE = frozenset({"undelivered", "failed", "canceled"})
LETTER_RANKS = {"waiting": 0, "sent": 1, "undelivered": 2, "failed": 2, "dropped": 2, "delivered": 3}
REFUND_RANKS = {"planned": 0, "pending": 1, "succeeded": 2, "failed": 3}
_REFUND_WORDS = {"requires_action": "pending", "canceled": "failed"}


def letter_status(status: str) -> str | None:
    """Ours for Twilio's; None: nothing new to us."""
    if status in SMS_GONE:
        return "undelivered"
    if status == "delivered":
        return "delivered"
    return "sent" if SMS_RANKS.get(status, -1) >= SMS_RANKS["sent"] else None


def not_arrived(code: str) -> str:
    """What people read about an SMS that did not arrive."""
    cause = _SMS_CAUSES.get(code)
    return f"届きませんでした。{cause}（{code}）。" if cause else f"届きませんでした（{code or 'コードなし'}）。"


def refund_cause(reason: str) -> str:
    """What people read about a refund that failed; Stripe's own word stays with it, to ask Stripe by."""
    return _named(_REFUND_CAUSES.get(reason, "Stripeから詳しい理由の連絡はありません"), reason)


def dispute_cause(reason: str) -> str:
    return _named(_DISPUTES.get(reason, "カード会社から詳しい理由の連絡はありません"), reason)


def _named(cause: str, word: str) -> str:
    return f"{cause}（{word}）。" if word else f"{cause}。"


def is_further(ranks: Mapping[str, int], now: str, told: str) -> bool:
    return ranks.get(told, -1) > ranks.get(now, -1)


def refund_status(status: str) -> str:
    known = _REFUND_WORDS.get(status, status)
    return known if known in REFUND_RANKS else "pending"
