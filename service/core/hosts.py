"""Under which names the service answers: those people and machines were given, and no other.

A page of a stranger whose name was pointed here must not be answered as if it were ours.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import Receive, Scope, Send

from service.core.problems import WrongHost
from service.core.settings import Settings, settings

# Load balancers, the launcher and Prometheus ask these by bare addresses; they tell nothing about anybody.
OPEN_PATHS = frozenset({"/api/health/live", "/api/health/ready", "/metrics"})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})


def allowed_hosts(config: Settings) -> frozenset[str]:
    """The names of PUBLIC_BASE_URL and SERVICE_URL, this machine's, and those of ALLOWED_HOSTS; without ports."""
    listed = {name.strip().lower() for name in config.allowed_hosts.split(",") if name.strip()}
    return LOOPBACK | listed | {_name(urlsplit(url).netloc) for url in (config.public_base_url, config.service_url)}


def _name(host: str) -> str:
    """Without user and port; a final dot is the same name."""
    name, colon, port = host.rpartition("@")[2].rpartition(":")
    return (name if colon and port.isdecimal() else host.rpartition("@")[2]).rstrip(".").lower()


@lru_cache(maxsize=1)
def _ours() -> frozenset[str]:
    return allowed_hosts(settings())


# Heartbeats pass here too, thousands a second and all under the same name: one look into a table.
@lru_cache(maxsize=1024)
def is_ours(host: bytes) -> bool:
    return _name(host.decode("latin-1")) in _ours()


def host_of(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"host":
            found: bytes = value
            return found
    return b""


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    problem = WrongHost(
        "このホスト名では利用できません。管理者から案内されたURLで開き直してください。"
        "この名前で使う場合は、管理者が設定 ALLOWED_HOSTS に追加してください。"
    )
    await problem.response()(scope, receive, send)
