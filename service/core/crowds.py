"""How much one source may ask of what is open to everybody, and how often it may be refused anywhere.

Counted in this process's memory, by the minute: a count in the database would cost more than what it spares. Doors
where guessing pays (sign-in, links, codes) count for themselves and for all processes alike, in `throttle`. Our own
programs on this machine, and the dashboards, who speak for somebody and sign for it, are not counted.
"""

from __future__ import annotations

import time
from ipaddress import ip_address

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.core import addresses, problems
from service.core.problems import TooMany
from service.core.settings import settings

# A key that does not fit: no or a wrong token, signature, code or link.
REFUSALS = frozenset({401, 403, 404})
# Beyond so many sources in one minute newcomers are not counted.
MOST_SOURCES = 100_000
_PULSE = frozenset({"/api/health/live", "/api/health/ready"})


class Crowds:
    """Two counts for each source: what it asked without a token, and what it was refused. At doors that begin with
    `signed`, whose key is in the body, only the second."""

    def __init__(self, app: ASGIApp, signed: str) -> None:
        self.app = app
        self._signed = signed
        self._minute = 0
        self._asked: dict[str, int] = {}
        self._refused: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        source = _source(scope) if scope["type"] == "http" and scope["path"] not in _PULSE else None
        if source is None:
            await self.app(scope, receive, send)
            return
        self._turn()
        if not any(name == b"authorization" for name, _ in scope["headers"]) and not scope["path"].startswith(
            self._signed
        ):
            self._count(self._asked, source)
        if wait := self._wait(source):
            refused = TooMany(
                f"短い時間に多くのリクエストがあったため、一時的に停止しています。{wait}秒ほど待ってから、もう一度お試しください。",
                wait,
            )
            await problems.answer(scope["path"], refused)(scope, receive, send)
            return

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in REFUSALS:
                self._count(self._refused, source)
            await send(message)

        await self.app(scope, receive, watched)

    def _turn(self) -> None:
        minute = int(time.time() // 60)
        if minute != self._minute:
            self._minute, self._asked, self._refused = minute, {}, {}

    def _wait(self, source: str) -> int:
        """Seconds until the next minute when this one's share is used up, else 0."""
        config = settings()
        much = self._asked.get(source, 0) > config.public_requests_per_minute
        often = self._refused.get(source, 0) >= config.refusals_per_minute
        return 60 - int(time.time()) % 60 if much or often else 0

    @staticmethod
    def _count(counts: dict[str, int], source: str) -> None:
        if source in counts or len(counts) < MOST_SOURCES:
            counts[source] = counts.get(source, 0) + 1


def _source(scope: Scope) -> str | None:
    """None for whoever is not counted."""
    client = scope.get("client")
    try:
        known = ip_address(client[0]) if client else None
    except ValueError:  # a socket's path
        return None
    if known is None or known.is_loopback or addresses.is_vouched(HTTPConnection(scope)):
        return None
    return addresses.source_of(str(known))
