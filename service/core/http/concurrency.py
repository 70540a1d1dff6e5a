"""Concurrency limit: as many requests at once as the pool has connections; the others wait in a queue.

A route holds a thread and a connection until its transaction has been committed. Without a limit, a burst would take
every thread only to wait for a connection, and fail at the pool's time-out.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Receive, Scope, Send

from service.core.http.problem_responses import problem_response
from service.core.problems import Unavailable

MAX_WAITING = 500
_LIMIT_KEY = "genba.concurrency_limit"
_SLOT_KEY = "genba.slot"


class Slot:
    """The slot that a request holds while it needs a connection. It is released before a large answer is sent."""

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self._limit: ConcurrencyLimit | None = limit

    def release(self) -> None:
        if self._limit is not None:
            self._limit.release()
            self._limit = None


def release_slot(scope: Scope) -> None:
    """For a request that needs no connection any more: others can start while a slow client receives the answer."""
    if own_slot := scope.get(_SLOT_KEY):
        own_slot.release()


class ConcurrencyLimit:
    """At most `number` requests of the app at once. A request that finds a long queue gets 503."""

    def __init__(
        self,
        app: ASGIApp,
        number: int,
        unlimited: frozenset[str],
        short_prefixes: tuple[str, ...] = (),
        short_paths: frozenset[str] = frozenset(),
    ) -> None:
        """Paths in `unlimited` need no connection and never wait. Paths that begin with one of `short_prefixes`, or are
        in `short_paths`, spend their time on receiving or sending bytes; they use short transactions and take a slot
        only for each of these (`slot`)."""
        self.app = app
        self._unlimited = unlimited
        self._short_prefixes = short_prefixes
        self._short_paths = short_paths
        self._slots = asyncio.Semaphore(number)
        self._waiting = 0

    def shared_with(self, app: ASGIApp) -> ConcurrencyLimit:
        """The same limit for another app: shared slots, but a queue of its own."""
        other = copy.copy(self)
        other.app, other._waiting = app, 0
        return other

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._unlimited:
            await self.app(scope, receive, send)
            return
        scope[_LIMIT_KEY] = self
        if scope["path"] in self._short_paths or (
            self._short_prefixes and scope["path"].startswith(self._short_prefixes)
        ):
            await self.app(scope, receive, send)
            return
        try:
            await self.acquire()
        except Unavailable as busy:
            await problem_response(scope["path"], busy)(scope, receive, send)
            return
        own_slot = scope[_SLOT_KEY] = Slot(self)
        try:
            await self.app(scope, receive, send)
        finally:
            own_slot.release()

    async def acquire(self) -> None:
        """Raises Unavailable when the queue is too long."""
        if self._waiting >= MAX_WAITING:
            raise Unavailable("ただいま混み合っています。しばらく待ってから、もう一度お試しください。")
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1

    def release(self) -> None:
        self._slots.release()


@asynccontextmanager
async def slot(scope: Scope) -> AsyncIterator[None]:
    """Holds a slot for the block, for a request that does not hold one all the time. A slot that the request already
    has is released first."""
    limit: ConcurrencyLimit = scope[_LIMIT_KEY]
    release_slot(scope)
    await limit.acquire()
    try:
        yield
    finally:
        limit.release()
