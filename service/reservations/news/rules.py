"""What follows from what vendors say. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

# How long a vendor is left alone before it is asked how something stands, should it say nothing by itself.
LOOK_PAUSES: Mapping[str, timedelta] = {
    "call": timedelta(seconds=15),
    "payment": timedelta(seconds=60),
    "refund": timedelta(minutes=15),
}
FIRST_LOOK: Mapping[str, timedelta] = {
    "call": timedelta(seconds=30),
    "payment": timedelta(seconds=60),
    "refund": timedelta(seconds=60),
}
# Between one try of an SMS and the next, also when it was accepted and did not arrive (jobs.vendors.sms has the same).
SMS_PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15))
# Of the telephone or the moment: the same SMS may arrive later. All other codes are for good.
PASSING_CODES = frozenset({"", "30001", "30003", "30008", "30022"})
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


def is_further(ranks: Mapping[str, int], now: str, told: str) -> bool:
    return ranks.get(told, -1) > ranks.get(now, -1)


def refund_status(status: str) -> str:
    known = _REFUND_WORDS.get(status, status)
    return known if known in REFUND_RANKS else "pending"
