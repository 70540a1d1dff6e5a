"""One thin client per vendor. A client makes one attempt and returns its outcome; the outbox does pauses and retries.

A new vendor needs a module with a `VENDOR` and a line in `REGISTRY` (registry.py). This module defines the outcomes of
an attempt, and what to do when the outcome is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from service.core.outbox.queue import BACK_OFF
from service.core.outbox.records import Claimed

# An attempt reconciles once and sends once. Each of the two ends after this time, however slowly the vendor answers, so
# that the outbox's lease is longer than both.
MOST_SECONDS = 45


class VendorFailure(Exception):
    """Not sent; it will be retried. `code`: the vendor's error code."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class PermanentFailure(VendorFailure):
    """Not sent; a retry would fail in the same way."""


class OutcomeUnknown(VendorFailure):
    """The vendor may have done it: the request was sent but no response arrived."""


class RateLimited(VendorFailure):
    """Not sent; the vendor's rate limit accepts no more until `retry_after` has passed."""

    def __init__(self, message: str, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Sent:
    """The vendor has the message. `external_id`: the vendor's id, if there is one; `answer`: other values of the
    response that an area may need; `refused`: the recipients of a mail who do not get it, each with the reason."""

    external_id: str | None
    answer: Mapping[str, Any] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


class NotSent:
    """The vendor does not have it."""


class Unknown:
    """The vendor does not know."""


@dataclass(frozen=True)
class Vendor:
    """`send` sends the message, with `message.key` as its idempotency key where the vendor supports one. `reconcile`
    finds out whether an earlier attempt arrived. Both raise only `VendorFailure`s.

    `when_unknown`: what to do when the vendor does not know. "send" for vendors whose receivers recognise a repeat by
    the key (a mail's Message-ID, an idempotency key); "stop" where a repeat does harm (a call): an operator decides.

    `back_off`: the pauses before the second attempt, the third and so on; after the last attempt the message has
    failed.
    """

    send: Callable[[Claimed], Sent]
    reconcile: Callable[[Claimed], Sent | NotSent | Unknown]
    when_unknown: Literal["send", "stop"]
    back_off: Sequence[timedelta] = tuple(BACK_OFF)
