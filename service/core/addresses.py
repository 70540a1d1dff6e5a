"""Where a person sits: the address that the dashboards vouch for, and which areas are closed to it.

People reach the service through the dashboards, whose connections all come from the same place. So the dashboards send
the browser's address along, signed with the SECRET_KEY that both know. Who cannot sign is seen by the address of the
connection; behind a proxy that is what uvicorn makes of X-Forwarded-For, which it believes of trusted proxies alone.
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
# Long enough for clocks that differ, short enough that a header from a log is worth nothing.
VALID_SECONDS = 60


def address_of(connection: HTTPConnection) -> str:
    """The person's address, or that of the connection; "-" when there is none."""
    own = connection.client.host if connection.client else "-"
    return _vouched(connection) or own


def is_vouched(connection: HTTPConnection) -> bool:
    """Whether the dashboards ask, for a person of theirs."""
    return _vouched(connection) is not None


def _vouched(connection: HTTPConnection) -> str | None:
    vouched = connection.headers.get(HEADER)
    if vouched is None:
        return None
    authorization = connection.headers.get("authorization", "")
    return _vouched_for(vouched, authorization.removeprefix("Bearer ").strip())


def _vouched_for(header: str, token: str) -> str | None:
    """`address;unix time;signature`. The token is in the signature: a header fits one session only."""
    address, _, rest = header.partition(";")
    moment, _, signature = rest.partition(";")
    if not moment.isascii() or not moment.isdecimal() or abs(time.time() - int(moment[:12])) > VALID_SECONDS:
        return None
    key = settings().secret_key.get_secret_value().encode()
    if not hmac.compare_digest(sign(key, address, moment, token).encode(), signature.encode()):
        return None
    return address if _read(address) else None


def sign(key: bytes, address: str, moment: str, token: str) -> str:
    """The dashboards do the same, in `dashboards/client.py`."""
    said = "\n".join(("genba person's address", address, moment, hashlib.sha256(token.encode()).hexdigest()))
    return hmac.new(key, said.encode(), hashlib.sha256).hexdigest()


def _read(address: str) -> IPv4Address | IPv6Address | None:
    try:
        read = ip_address(address)
    except ValueError:
        return None
    # What a socket that speaks both calls an IPv4 address.
    return (read.ipv4_mapped if isinstance(read, IPv6Address) else None) or read


@lru_cache(maxsize=8192)
def plain(address: str) -> str | None:
    """The address as the database takes it; None for what is none, such as a socket's path."""
    read = _read(address.partition("%")[0])
    return str(read) if read else None


def source_of(address: str) -> str:
    """Whom attempts from there are counted for. Whoever has one IPv6 address has all of its /64 to change to."""
    read = _read(address)
    if isinstance(read, IPv6Address):
        return str(IPv6Network((int(read), 64), strict=False))
    return str(read or address)


@lru_cache(maxsize=4096)
def closed_areas(address: str) -> frozenset[str]:
    """The areas whose list of addresses does not have this one. An address nobody can read is on no list."""
    read = _read(address)
    return frozenset(
        area
        for area, networks in settings().networks.items()
        if read is None or not any(read in network for network in networks)
    )
