"""Interprets vendor events. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

ALREADY_APPLIED = "すでに反映済みの連絡です。"
EARLIER_MESSAGE = "以前の送信についての連絡です。"
# The polling interval for objects about which the vendor sends no webhook.
POLL_INTERVALS: Mapping[str, timedelta] = {
    "call": timedelta(seconds=15),
    "payment": timedelta(seconds=60),
    "refund": timedelta(minutes=15),
    "sms": timedelta(minutes=15),
}
FIRST_POLL_DELAY: Mapping[str, timedelta] = {
    "call": timedelta(seconds=30),
    "payment": timedelta(seconds=60),
    "refund": timedelta(seconds=60),
    "sms": timedelta(minutes=2),
}
# Twilio gives up after this time, too; not every carrier reports whether an SMS arrived.
SMS_POLL_LIMIT = timedelta(hours=10)
# Between the tries of an SMS, also when it was accepted but did not arrive (same values in jobs.vendors.sms).
SMS_RETRY_DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15))
# Temporary errors: the same SMS may arrive later. All other codes are permanent.
TEMPORARY_CODES = frozenset({"", "30001", "30003", "30008", "30022"})
# Why a sent SMS did not arrive, by Twilio's error code.
_SMS_CAUSES = {
    "30003": "電話の電源が入っていないか、圏外です",
    "30004": "相手がSMSの受信を拒否しています",
    "30005": "使われていない番号です",
    "30006": "固定電話など、SMSを受け取れない番号です",
    "30007": "通信会社がSMSを止めました",
    "30008": "通信会社で原因不明の問題が起きています",
}
# Why Stripe could not refund, and why a customer's bank disputes a payment.
_REFUND_CAUSES = {
    "charge_for_pending_refund_disputed": "支払いへの異議があり、返金できませんでした",
    "declined": "カード会社が返金を受け付けませんでした",
    "expired_or_canceled_card": "カードが有効期限切れか、解約されています",
    "insufficient_funds": "Stripeの残高が足りません",
    "lost_or_stolen_card": "カードの紛失・盗難が届け出られています",
    "merchant_request": "返金が取り消されました",
}
_DISPUTE_CAUSES = {
    "credit_not_processed": "返金されていないとの申し立てです",
    "duplicate": "二重に支払ったとの申し立てです",
    "fraudulent": "身に覚えのない支払いとの申し立てです",
    "product_not_received": "商品を受け取っていないとの申し立てです",
    "product_unacceptable": "商品に問題があったとの申し立てです",
    "unrecognized": "支払いに心当たりがないとの申し立てです",
}
# Vendor events come in any order: a later status is not replaced by an earlier one.
SMS_STATUS_RANKS = {"accepted": 0, "scheduled": 0, "queued": 1, "sending": 2, "sent": 3, "delivered": 4}
SMS_UNDELIVERED = frozenset({"undelivered", "failed", "canceled"})
MESSAGE_RANKS = {"waiting": 0, "sent": 1, "undelivered": 2, "failed": 2, "dropped": 2, "delivered": 3}
REFUND_RANKS = {"planned": 0, "pending": 1, "succeeded": 2, "failed": 3}
_REFUND_STATUSES = {"requires_action": "pending", "canceled": "failed"}


class UnknownObject(Exception):
    """No object of ours has this id; our own commit may be in progress."""


def message_status(status: str) -> str | None:
    """Our status for Twilio's; None: no change."""
    if status in SMS_UNDELIVERED:
        return "undelivered"
    if status == "delivered":
        return "delivered"
    return "sent" if SMS_STATUS_RANKS.get(status, -1) >= SMS_STATUS_RANKS["sent"] else None


def undelivered_text(code: str) -> str:
    """The text for operators about an SMS that did not arrive."""
    cause = _SMS_CAUSES.get(code)
    return f"届きませんでした。{cause}（{code}）。" if cause else f"届きませんでした（{code or 'コードなし'}）。"


def refund_cause(reason: str) -> str:
    """The text for operators about a failed refund, with Stripe's own code for questions to Stripe."""
    return _with_code(_REFUND_CAUSES.get(reason, "Stripeから詳しい理由の連絡はありません"), reason)


def dispute_cause(reason: str) -> str:
    return _with_code(_DISPUTE_CAUSES.get(reason, "カード会社から詳しい理由の連絡はありません"), reason)


def _with_code(cause: str, code: str) -> str:
    return f"{cause}（{code}）。" if code else f"{cause}。"


def is_later_status(ranks: Mapping[str, int], current: str, reported: str) -> bool:
    return ranks.get(reported, -1) > ranks.get(current, -1)


def refund_status(status: str) -> str:
    mapped = _REFUND_STATUSES.get(status, status)
    return mapped if mapped in REFUND_RANKS else "pending"
