"""How vendors sign what they send. Pure, over the bytes as they came: whoever writes them anew gets another signature.

A vendor without a secret in the settings has nothing to say: an empty key would let everybody sign.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit, urlunsplit

# How far a signature's own time may be from ours; what is older may have been overheard.
TOLERANCE_SECONDS = 300
_PORTS = {"http": 80, "https": 443}


def is_stripes(header: str, body: bytes, secrets: Sequence[str], now: datetime) -> bool:
    """`Stripe-Signature: t=<unix>,v1=<hex>[,v1=…]` with one of several secrets: while one replaces another, both sign.

    Unlike Stripe's SDK it takes no time in the future either: such a signature would be good for as long as one likes.
    """
    parts = [part.partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name.strip() == "t"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdecimal() and len(times[0]) <= 12):
        return False
    if abs(now.timestamp() - int(times[0])) > TOLERANCE_SECONDS:
        return False
    signed = f"{times[0]}.".encode() + body
    wanted = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets if secret]
    given = [value.strip() for name, _, value in parts if name.strip() == "v1"]
    return any(_same(one, other) for one in wanted for other in given)


def is_twilios(header: str, url: str, body: bytes, token: str) -> bool:
    """`X-Twilio-Signature`: of the whole address as Twilio was given it, then each field with its value, in order.

    Twilio names a port or leaves it out as it likes.
    """
    try:
        pairs = sorted(set(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200)))
    except ValueError:
        return False
    told = "".join(name + value for name, value in pairs)
    return bool(token) and any(
        _same(base64.b64encode(hmac.new(token.encode(), (way + told).encode(), hashlib.sha1).digest()).decode(), header)
        for way in _ways(url)
    )


def is_blands(header: str, body: bytes, secret: str) -> bool:
    """`X-Webhook-Signature`: hex. It has no time in it: a repeat is known by what it says."""
    wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return bool(secret) and _same(wanted, header.strip().lower())


def _ways(url: str) -> list[str]:
    """The address with its port and without."""
    parts = urlsplit(url)
    name = parts.netloc.rpartition(":")[0] if parts.port else parts.netloc
    port = parts.port or _PORTS.get(parts.scheme, 443)
    return [urlunsplit(parts._replace(netloc=place)) for place in (name, f"{name}:{port}")]


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode("utf-8", "replace"))
