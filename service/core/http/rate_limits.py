"""Rate limits by source: how many requests without a token it may send, and how many refusals it may get anywhere.

A request counts as one without a token when its route asks for none, whatever its headers say.

Counted in this process's memory, by the minute: a count in the database would cost more than it saves. Routes where
guessing pays off (sign-in, links, codes) count in the database, for all processes, with `access.throttle`. Our own
programs on this machine, and the dashboards, which sign requests for their users, are not counted.
"""

from __future__ import annotations

import time
from ipaddress import ip_address

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.core.http import addresses, problem_responses
from service.core.problems import TooMany
from service.core.settings import settings

# Statuses of a missing or wrong token, signature, code or link.
REFUSAL_STATUSES = frozenset({401, 403, 404})
# Beyond so many sources in one minute, new ones are not counted.
MAX_SOURCES = 100_000
_HEALTH_PATHS = frozenset({"/api/health/live", "/api/health/ready"})
_TOKEN_READ = "genba.token_read"


def mark_token_read(scope: Scope) -> None:
    """Called by what reads the bearer token of a request: its route asks for one."""
    scope[_TOKEN_READ] = True


class RateLimits:
    """Two counts for each source: its requests without a token, and its refusals. Paths that begin with
    `signed_prefix` have their signature in the body: there only refusals are counted."""

    def __init__(self, app: ASGIApp, signed_prefix: str) -> None:
        self.app = app
        self._signed_prefix = signed_prefix
        self._minute = 0
        self._requests: dict[str, int] = {}
        self._refusals: dict[str, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        source = _source(scope) if scope["type"] == "http" and scope["path"] not in _HEALTH_PATHS else None
        if source is None:
            await self.app(scope, receive, send)
            return
        self._start_minute()
        has_token = any(name == b"authorization" for name, _ in scope["headers"])
        is_signed = scope["path"].startswith(self._signed_prefix)
        if not has_token and not is_signed:
            self._count(self._requests, source)
        if seconds := self._seconds_to_wait(source):
            problem = TooMany(
                f"短い時間に多くのリクエストがあったため、一時的に停止しています。{seconds}秒ほど待ってから、もう一度お試しください。",
                seconds,
            )
            await problem_responses.problem_response(scope["path"], problem)(scope, receive, send)
            return

        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] in REFUSAL_STATUSES:
                    self._count(self._refusals, source)
                elif has_token and not is_signed and "endpoint" in scope and _TOKEN_READ not in scope:
                    self._count(self._requests, source)
            await send(message)

        await self.app(scope, receive, send_and_count)

    def _start_minute(self) -> None:
        minute = int(time.time() // 60)
        if minute != self._minute:
            self._minute, self._requests, self._refusals = minute, {}, {}

    def _seconds_to_wait(self, source: str) -> int:
        """Seconds until the next minute when this minute's limit is reached, else 0."""
        config = settings()
        too_many_requests = self._requests.get(source, 0) > config.public_requests_per_minute
        too_many_refusals = self._refusals.get(source, 0) >= config.refusals_per_minute
        return 60 - int(time.time()) % 60 if too_many_requests or too_many_refusals else 0

    @staticmethod
    def _count(counts: dict[str, int], source: str) -> None:
        if source in counts or len(counts) < MAX_SOURCES:
            counts[source] = counts.get(source, 0) + 1


def _source(scope: Scope) -> str | None:
    """The source that a request counts for; None when it is not counted."""
    client = scope.get("client")
    try:
        address = ip_address(client[0]) if client else None
    except ValueError:  # a socket's path
        return None
    if address is None or address.is_loopback or addresses.is_signed_by_dashboards(HTTPConnection(scope)):
        return None
    return addresses.source_of(str(address))
