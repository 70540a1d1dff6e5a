"""The allowed host names: the service answers only under the names that users and machines were given.

Otherwise a foreign domain that points at this server (DNS rebinding) would get our answers.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import Receive, Scope, Send

from service.core.problems import WrongHost
from service.core.settings import Settings, settings

# Load balancers, the launcher and Prometheus call these by bare IP addresses; the answers hold no personal data.
OPEN_PATHS = frozenset({"/api/health/live", "/api/health/ready", "/metrics"})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


def allowed_hosts(config: Settings) -> frozenset[str]:
    """The names of PUBLIC_BASE_URL and SERVICE_URL, this machine's, and those of ALLOWED_HOSTS; without ports."""
    configured = {name.strip().lower() for name in config.allowed_hosts.split(",") if name.strip()}
    return LOOPBACK | configured | {_name(urlsplit(url).netloc) for url in (config.public_base_url, config.service_url)}


def _name(host: str) -> str:
    """The host name without user, port and final dot."""
    name, colon, port = host.rpartition("@")[2].rpartition(":")
    return (name if colon and port.isdecimal() else host.rpartition("@")[2]).rstrip(".").lower()


@lru_cache(maxsize=1)
def _allowed() -> frozenset[str]:
    return allowed_hosts(settings())


# Heartbeats pass here too, thousands a second and all with the same name: a cached lookup.
@lru_cache(maxsize=1024)
def is_allowed_host(host: bytes) -> bool:
    return _name(host.decode("latin-1")) in _allowed()


def host_header(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"host":
            host: bytes = value
            return host
    return b""


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    problem = WrongHost(
        "このホスト名では利用できません。管理者から案内されたURLで開き直してください。"
        "この名前で使う場合は、管理者が設定 ALLOWED_HOSTS に追加してください。"
    )
    await problem.response()(scope, receive, send)
