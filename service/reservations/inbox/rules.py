"""What vendors' webhooks say. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

Provider = Literal["twilio", "bland", "stripe"]
# Of a webhook: a call's whole transcript is the longest.
MOST_BYTES = 1024 * 1024
LONGEST_ID = 200
# One that is about something we do not know of yet: our own commit may be under way. In the end nobody knew it.
PATIENCE = timedelta(hours=1)
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (1, 2, 5, 10, 30, 60, 120, 300))


class Unreadable(ValueError):
    """It is not what this vendor sends."""


@dataclass(frozen=True)
class Told:
    """One webhook: what makes it the same one when it comes again, what it is, and what is kept of it."""

    provider: Provider
    event_id: str
    kind: str
    body: bytes


@dataclass(frozen=True)
class SmsTold:
    sid: str
    status: str
    code: str
    # The outbox key, from the address that we gave.
    effect: str


@dataclass(frozen=True)
class StripeTold:
    kind: str
    about: Mapping[str, Any] = field(default_factory=dict)

    def text(self, name: str) -> str:
        found = self.about.get(name)
        if isinstance(found, Mapping):  # expanded
            found = found.get("id")
        return found if isinstance(found, str) else ""

    def number(self, name: str) -> int | None:
        found = self.about.get(name)
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    def metadata(self, name: str) -> str:
        found = self.about.get("metadata")
        value = found.get(name) if isinstance(found, Mapping) else None
        return value if isinstance(value, str) else ""


def of_stripe(body: bytes) -> Told:
    """Raises Unreadable."""
    event = _object(body)
    return Told("stripe", _name(event.get("id")), _name(event.get("type"), 100), body)


def of_bland(body: bytes) -> Told:
    """A call's details as they stand: the same call says something new when it is over. Raises Unreadable."""
    call = _object(body)
    status = call.get("status") if isinstance(call.get("status"), str) else call.get("queue_status")
    status = _name(status or "unknown", 50)
    call_id = _name(call.get("call_id") or call.get("c_id"), 100)
    is_over = str(call.get("completed") is True).lower()
    return Told("bland", f"{call_id}:{status}:{is_over}", status, body)


def of_twilio(body: bytes, effect: str) -> Told:
    """`effect`: from the address that it came to, and kept with the fields. Raises Unreadable."""
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200))
    except ValueError as error:
        raise Unreadable("no form") from error
    sid = _name(fields.get("MessageSid") or fields.get("SmsSid"), 100)
    status = _name(fields.get("MessageStatus") or fields.get("SmsStatus"), 50)
    kept = body + b"&" + urlencode({"effect": effect[:100]}).encode() if effect else body
    return Told("twilio", f"{sid}:{status}", status, kept)


def sms_told(body: bytes) -> SmsTold:
    fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
    return SmsTold(
        sid=fields.get("MessageSid") or fields.get("SmsSid") or "",
        status=(fields.get("MessageStatus") or fields.get("SmsStatus") or "").lower(),
        code=fields.get("ErrorCode", "")[:20],
        effect=fields.get("effect", ""),
    )


def stripe_told(body: bytes) -> StripeTold:
    event = _object(body)
    data = event.get("data")
    about = data.get("object") if isinstance(data, Mapping) else None
    return StripeTold(str(event.get("type")), about if isinstance(about, Mapping) else {})


def call_told(body: bytes) -> tuple[str, str]:
    """The call's id and our key, each as far as it is told."""
    call = _object(body)
    call_id = call.get("call_id") or call.get("c_id")
    for holder in (call, call.get("variables")):
        metadata = holder.get("metadata") if isinstance(holder, Mapping) else None
        if isinstance(metadata, Mapping) and isinstance(metadata.get("effect"), str):
            return str(call_id), str(metadata["effect"])
    return str(call_id), ""


def pause(tries: int) -> timedelta:
    return PAUSES[min(tries, len(PAUSES)) - 1]


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("no JSON") from error
    if not isinstance(found, dict):
        raise Unreadable("no object")
    return found


def _name(given: Any, longest: int = LONGEST_ID) -> str:
    if not isinstance(given, str) or not given or len(given) > longest or not given.isprintable():
        raise Unreadable("no name")
    return given
