"""Verifies vendors' webhook signatures. Pure, over the raw bytes: re-encoding them would change the signature.

Without a secret in the settings no webhook is accepted: with an empty key anybody could sign.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit, urlunsplit

# How far a signature's timestamp may differ from our clock; an older one may be a replay.
TOLERANCE_SECONDS = 300
_PORTS = {"http": 80, "https": 443}


def is_stripe_signature(header: str, body: bytes, secrets: Sequence[str], now: datetime) -> bool:
    """`Stripe-Signature: t=<unix>,v1=<hex>[,v1=…]` with one of several secrets: during a rotation both sign.

    Unlike Stripe's SDK it also refuses timestamps in the future: such a signature would stay valid too long.
    """
    parts = [part.partition("=") for part in header.split(",")]
    timestamps = [value for name, _, value in parts if name.strip() == "t"]
    if len(timestamps) != 1 or not (timestamps[0].isascii() and timestamps[0].isdecimal() and len(timestamps[0]) <= 12):
        return False
    if abs(now.timestamp() - int(timestamps[0])) > TOLERANCE_SECONDS:
        return False
    signed_payload = f"{timestamps[0]}.".encode() + body
    expected = [hmac.new(secret.encode(), signed_payload, hashlib.sha256).hexdigest() for secret in secrets if secret]
    received = [value.strip() for name, _, value in parts if name.strip() == "v1"]
    return any(_equal(expected_value, received_value) for expected_value in expected for received_value in received)


def is_twilio_signature(header: str, url: str, body: bytes, token: str) -> bool:
    """`X-Twilio-Signature`: over the complete URL that Twilio was given, then each field with its value, sorted.

    Twilio may include or omit the port.
    """
    try:
        pairs = sorted(set(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200)))
    except ValueError:
        return False
    fields = "".join(name + value for name, value in pairs)
    return bool(token) and any(
        _equal(
            base64.b64encode(hmac.new(token.encode(), (variant + fields).encode(), hashlib.sha1).digest()).decode(),
            header,
        )
        for variant in _url_variants(url)
    )


def is_bland_signature(header: str, body: bytes, secret: str) -> bool:
    """`X-Webhook-Signature`: hex. It has no timestamp: a replay is recognised by its content."""
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return bool(secret) and _equal(expected, header.strip().lower())


def _url_variants(url: str) -> list[str]:
    """The URL without and with its port."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
    port = parts.port or _PORTS.get(parts.scheme, 443)
    return [urlunsplit(parts._replace(netloc=netloc)) for netloc in (host, f"{host}:{port}")]


def _equal(expected: str, received: str) -> bool:
    return hmac.compare_digest(expected.encode(), received.encode("utf-8", "replace"))
