"""How many SMS segments a text takes in mobile networks, which is what it costs."""

from __future__ import annotations

# UCS-2: the number of characters in a single SMS, and in each part of a longer one.
SINGLE_SMS_CHARS, SMS_PART_CHARS = 70, 67


def sms_segments(text: str) -> int:
    units = len(text.encode("utf-16-be")) // 2
    return 1 if units <= SINGLE_SMS_CHARS else -(-units // SMS_PART_CHARS)
