"""The client's address, forwarded and signed by the dashboards, and the areas that are closed to it.

Users reach the service through the dashboards, whose connections all come from one address. So the dashboards send the
browser's address along, signed with the SECRET_KEY that both know. For a caller without a signature the address is that
of the connection; behind a proxy uvicorn takes it from X-Forwarded-For, which it believes of trusted proxies alone.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from starlette.requests import HTTPConnection

from service.core.settings import settings

HEADER = "x-genba-address"
# Long enough for clocks that differ, short enough that a header found in a log cannot be used again.
VALID_SECONDS = 60


def address_of(connection: HTTPConnection) -> str:
    """The user's address as signed by the dashboards, else that of the connection; "-" when there is none."""
    connection_address = connection.client.host if connection.client else "-"
    return _signed_address(connection) or connection_address


def is_signed_by_dashboards(connection: HTTPConnection) -> bool:
    """Whether the dashboards sent the request for one of their users."""
    return _signed_address(connection) is not None


def _signed_address(connection: HTTPConnection) -> str | None:
    header = connection.headers.get(HEADER)
    if header is None:
        return None
    authorization = connection.headers.get("authorization", "")
    return _verified_address(header, authorization.removeprefix("Bearer ").strip())


def _verified_address(header: str, token: str) -> str | None:
    """The header is `address;unix time;signature`. The token is in the signature: a header fits one session only."""
    address, _, rest = header.partition(";")
    timestamp, _, signature = rest.partition(";")
    if not timestamp.isascii() or not timestamp.isdecimal() or abs(time.time() - int(timestamp[:12])) > VALID_SECONDS:
        return None
    key = settings().secret_key.get_secret_value().encode()
    if not hmac.compare_digest(sign(key, address, timestamp, token).encode(), signature.encode()):
        return None
    return address if _parse(address) else None


def sign(key: bytes, address: str, timestamp: str, token: str) -> str:
    """The dashboards do the same, in `dashboards/client.py`."""
    signed_text = "\n".join(("genba person's address", address, timestamp, hashlib.sha256(token.encode()).hexdigest()))
    return hmac.new(key, signed_text.encode(), hashlib.sha256).hexdigest()


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    # An IPv4 address as a dual-stack socket writes it.
    return (parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None) or parsed


@lru_cache(maxsize=8192)
def normalised_address(address: str) -> str | None:
    """The address as the database takes it; None for what is no address, such as a socket's path."""
    parsed = _parse(address.partition("%")[0])
    return str(parsed) if parsed else None


def source_of(address: str) -> str:
    """The source that attempts from the address are counted for. An IPv6 client can use its whole /64, so that counts
    as one source."""
    parsed = _parse(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((int(parsed), 64), strict=False))
    return str(parsed or address)


@lru_cache(maxsize=4096)
def closed_areas(address: str) -> frozenset[str]:
    """The areas whose list of addresses does not contain this one. An address that cannot be parsed is on no list."""
    parsed = _parse(address)
    return frozenset(
        area
        for area, networks in settings().networks.items()
        if parsed is None or not any(parsed in network for network in networks)
    )
