"""One thin client per vendor. A client sends once and tells how it went; pauses and repeats are the outbox's.

A vendor joins by a module with a `VENDOR` and a line in `REGISTRY` (registry.py). What differs between vendors is said
here once: how a try can end, and what may be done when nobody knows how it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from service.core.outbox import BACK_OFF, Claimed

# A try asks once and sends once; each of them ends after so long, however slowly the vendor answers, so that the
# outbox's lease outlasts both.
MOST_SECONDS = 45


class VendorFailure(Exception):
    """Not sent; worth another try. `code`: the vendor's own name for it."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class PermanentFailure(VendorFailure):
    """Not sent; another try would fail the same way."""


class OutcomeUnknown(VendorFailure):
    """The vendor may have done it: the request was out and no answer came back."""


class RateLimited(VendorFailure):
    """Not sent; the vendor takes no more until `retry_after` has passed."""

    def __init__(self, message: str, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Sent:
    """The vendor has the message; its own id, where it gave one, and what else it said that an area may need."""

    external_id: str | None
    answer: Mapping[str, Any] = field(default_factory=dict)


class NotSent:
    """The vendor does not have it."""


class Unknown:
    """The vendor cannot say."""


@dataclass(frozen=True)
class Vendor:
    """`send` hands the message over, with `message.key` wherever the vendor lets it carry an id. `reconcile` looks
    whether an earlier try arrived. Both raise `VendorFailure`s and nothing else.

    `when_unknown`: what to do when the vendor cannot say. "send" for vendors whose receivers recognise a repeat by the
    key (a mail's Message-ID, an idempotency key); "stop" where a repeat does harm (a call): a person decides.

    `back_off`: the pauses before the second try, the third and so on; after the last one's try it is given up.
    """

    send: Callable[[Claimed], Sent]
    reconcile: Callable[[Claimed], Sent | NotSent | Unknown]
    when_unknown: Literal["send", "stop"]
    back_off: Sequence[timedelta] = tuple(BACK_OFF)
