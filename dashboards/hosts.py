"""The host names under which the dashboards answer; any other name gets no page. As in `service/core/http/hosts.py`."""

from __future__ import annotations

import logging
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from dashboards.addresses import HEALTH
from dashboards.plain import notice
from dashboards.settings import Settings, settings

log = logging.getLogger(__name__)

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
# Load balancers and the launcher call the health checks by IP address.
OPEN_PATHS = frozenset({HEALTH, "/_stcore/health"})


def allowed_hosts(config: Settings) -> frozenset[str]:
    """The name of PUBLIC_BASE_URL, this machine's, and those of ALLOWED_HOSTS; without ports."""
    configured = {name.strip().lower() for name in config.allowed_hosts.split(",") if name.strip()}
    return LOOPBACK | configured | {host_name(urlsplit(config.public_base_url).netloc)}


def host_name(host: str) -> str:
    """The host name without user and port; a final dot is the same name."""
    host = host.rpartition("@")[2]
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdecimal() else host).rstrip(".").lower()


@lru_cache(maxsize=1)
def _allowed() -> frozenset[str]:
    return allowed_hosts(settings())


class AllowedHostsMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or scope["path"] in OPEN_PATHS:
            await self.app(scope, receive, send)
            return
        host = Headers(scope=scope).get("host", "")
        if host_name(host) in _allowed():
            await self.app(scope, receive, send)
            return
        log.warning("refused: unknown host %r", host[:200])
        if scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
            return
        answer = notice(
            HTTPStatus.MISDIRECTED_REQUEST,
            title="このアドレスでは利用できません",
            text="このホスト名では画面を表示できません。管理者から案内されたURLで開き直してください。"
            "この名前で使う場合は、管理者が設定 ALLOWED_HOSTS に追加してください。",
        )
        await answer(scope, receive, send)
