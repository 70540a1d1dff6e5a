"""Parses vendors' webhooks. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

from service.core.outbox import MESSAGE_KEY

Provider = Literal["twilio", "bland", "stripe"]
# The largest webhook body: the transcript of a call.
MAX_BYTES = 1024 * 1024
MAX_ID_LENGTH = 200
# A webhook about an unknown object is retried for so long: our own commit may be in progress. Then it is given up.
GIVE_UP_AFTER = timedelta(hours=1)
RETRY_DELAYS = tuple(timedelta(seconds=seconds) for seconds in (1, 2, 5, 10, 30, 60, 120, 300))


class Unreadable(ValueError):
    """The body is not what this vendor sends."""


@dataclass(frozen=True)
class WebhookEvent:
    """A webhook: `event_id` identifies a repeat; `body` is what is stored."""

    provider: Provider
    event_id: str
    kind: str
    body: bytes


@dataclass(frozen=True)
class SmsEvent:
    sid: str
    status: str
    code: str
    # From the callback URL that we gave.
    message_key: str


@dataclass(frozen=True)
class StripeEvent:
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def text(self, name: str) -> str:
        value = self.data.get(name)
        if isinstance(value, Mapping):  # expanded
            value = value.get("id")
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int | None:
        value = self.data.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def metadata(self, name: str) -> str:
        metadata = self.data.get("metadata")
        value = metadata.get(name) if isinstance(metadata, Mapping) else None
        return value if isinstance(value, str) else ""


def parse_stripe_webhook(body: bytes) -> WebhookEvent:
    """Raises Unreadable."""
    event = _object(body)
    return WebhookEvent("stripe", _name(event.get("id")), _name(event.get("type"), 100), body)


def parse_bland_webhook(body: bytes) -> WebhookEvent:
    """A call's current details: the same call reports again when it is over. Raises Unreadable."""
    call = _object(body)
    status = call.get("status") if isinstance(call.get("status"), str) else call.get("queue_status")
    status = _name(status or "unknown", 50)
    call_id = _name(call.get("call_id") or call.get("c_id"), 100)
    is_over = str(call.get("completed") is True).lower()
    return WebhookEvent("bland", f"{call_id}:{status}:{is_over}", status, body)


def parse_twilio_webhook(body: bytes, message_key: str) -> WebhookEvent:
    """`message_key`: from the callback URL; stored with the fields. Raises Unreadable."""
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200))
    except ValueError as error:
        raise Unreadable("no form") from error
    sid = _name(fields.get("MessageSid") or fields.get("SmsSid"), 100)
    status = _name(fields.get("MessageStatus") or fields.get("SmsStatus"), 50)
    stored_body = body + b"&" + urlencode({MESSAGE_KEY: message_key[:100]}).encode() if message_key else body
    return WebhookEvent("twilio", f"{sid}:{status}", status, stored_body)


def read_sms_event(body: bytes) -> SmsEvent:
    fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
    return SmsEvent(
        sid=fields.get("MessageSid") or fields.get("SmsSid") or "",
        status=(fields.get("MessageStatus") or fields.get("SmsStatus") or "").lower(),
        code=fields.get("ErrorCode", "")[:20],
        message_key=fields.get(MESSAGE_KEY, ""),
    )


def read_stripe_event(body: bytes) -> StripeEvent:
    event = _object(body)
    data = event.get("data")
    data_object = data.get("object") if isinstance(data, Mapping) else None
    return StripeEvent(str(event.get("type")), data_object if isinstance(data_object, Mapping) else {})


def read_call_event(body: bytes) -> tuple[str, str]:
    """The call's id and our outbox key; the key is empty when the webhook has none."""
    call = _object(body)
    call_id = call.get("call_id") or call.get("c_id")
    for holder in (call, call.get("variables")):
        metadata = holder.get("metadata") if isinstance(holder, Mapping) else None
        if isinstance(metadata, Mapping) and isinstance(metadata.get(MESSAGE_KEY), str):
            return str(call_id), str(metadata[MESSAGE_KEY])
    return str(call_id), ""


def retry_delay(tries: int) -> timedelta:
    return RETRY_DELAYS[min(tries, len(RETRY_DELAYS)) - 1]


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Unreadable("no JSON") from error
    if not isinstance(value, dict):
        raise Unreadable("no object")
    return value


def _name(value: Any, max_length: int = MAX_ID_LENGTH) -> str:
    if not isinstance(value, str) or not value or len(value) > max_length or not value.isprintable():
        raise Unreadable("no name")
    return value
