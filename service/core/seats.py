"""As many requests at work at once as the pool has connections; the others wait outside.

A route holds its connection until its transaction has been committed, and for the commit it needs a thread. Let in
without a limit, newcomers would take every thread to wait for a connection, and those who hold one would wait for a
thread: everybody would stand still until the pool's time-out.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Receive, Scope, Send

from service.core.problems import Unavailable, answer

LONGEST_QUEUE = 500
_IN_SCOPE = "genba.seats"
_OWN_SEAT = "genba.seat"


class Seat:
    """A request's own, until its work is done: a large answer is sent standing."""

    def __init__(self, seats: Seats) -> None:
        self._seats: Seats | None = seats

    def leave(self) -> None:
        if self._seats is not None:
            self._seats.stand_up()
            self._seats = None


def leave_seat(scope: Scope) -> None:
    """The rest of this request needs no connection: others may come in while a slow line takes the answer."""
    if seat := scope.get(_OWN_SEAT):
        seat.leave()


class Seats:
    """`number` requests of the app at once; what comes beyond a long queue is told to try again."""

    def __init__(
        self,
        app: ASGIApp,
        number: int,
        free: frozenset[str],
        brief: tuple[str, ...] = (),
        doors: frozenset[str] = frozenset(),
    ) -> None:
        """Paths in `free` need no connection and never wait. Those that begin with one of `brief`, or are one of
        `doors`, wait for the world outside while bytes come in or go out, and take a seat only for the moments they
        need one (`one_seat`)."""
        self.app = app
        self._free = free
        self._brief = brief
        self._doors = doors
        self._seats = asyncio.Semaphore(number)
        self._standing = 0

    def beside(self, app: ASGIApp) -> Seats:
        """Another app whose requests take the same seats, with a queue of its own."""
        other = copy.copy(self)
        other.app, other._standing = app, 0
        return other

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._free:
            await self.app(scope, receive, send)
            return
        scope[_IN_SCOPE] = self
        if scope["path"] in self._doors or (self._brief and scope["path"].startswith(self._brief)):
            await self.app(scope, receive, send)
            return
        try:
            await self.sit_down()
        except Unavailable as busy:
            await answer(scope["path"], busy)(scope, receive, send)
            return
        seat = scope[_OWN_SEAT] = Seat(self)
        try:
            await self.app(scope, receive, send)
        finally:
            seat.leave()

    async def sit_down(self) -> None:
        """Raises Unavailable when the queue is too long to stand in."""
        if self._standing >= LONGEST_QUEUE:
            raise Unavailable("ただいま混み合っています。しばらく待ってから、もう一度お試しください。")
        self._standing += 1
        try:
            await self._seats.acquire()
        finally:
            self._standing -= 1

    def stand_up(self) -> None:
        self._seats.release()


@asynccontextmanager
async def one_seat(scope: Scope) -> AsyncIterator[None]:
    """A seat for the length of the block, for what does not hold one all the time; the one it came in with is left."""
    seats: Seats = scope[_IN_SCOPE]
    leave_seat(scope)
    await seats.sit_down()
    try:
        yield
    finally:
        seats.stand_up()
