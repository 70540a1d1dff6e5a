"""As many requests at work at once as the pool has connections; the others wait outside.

A route holds its connection until its transaction has been committed, and for the commit it needs a thread. Let in
without a limit, newcomers would take every thread to wait for a connection, and those who hold one would wait for a
thread: everybody would stand still until the pool's time-out.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from service.core.problems import Unavailable

LONGEST_QUEUE = 500


class Seats:
    """`number` requests of the app at once; what comes beyond a long queue is told to try again."""

    def __init__(self, app: ASGIApp, number: int, free: frozenset[str]) -> None:
        """Paths in `free` need no connection and never wait."""
        self.app = app
        self._free = free
        self._seats = asyncio.Semaphore(number)
        self._standing = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._free:
            await self.app(scope, receive, send)
            return
        if self._standing >= LONGEST_QUEUE:
            busy = Unavailable("ただいま混み合っています。しばらく待ってから、もう一度お試しください。")
            await busy.response()(scope, receive, send)
            return
        self._standing += 1
        try:
            await self._seats.acquire()
        finally:
            self._standing -= 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._seats.release()
