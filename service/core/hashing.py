"""Passwords are checked and hashed one at a time, on a thread of their own.

Each takes a quarter of a second of a core by design. Whoever knocks without being known can ask for it, so a rush must
leave a core, the threads and the connections for everybody else: call these outside any transaction and any seat.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from service.core import identity
from service.core.problems import Unavailable

# About five seconds until the last one's turn; who would wait longer is told to come back.
LONGEST_QUEUE = 20
_working = CapacityLimiter(1)

Result = TypeVar("Result")


async def is_right(password: str, hashed: str | None) -> bool:
    """Raises Unavailable when the queue is too long to stand in."""
    return await _in_turn(partial(identity.is_right, password, hashed))


async def hash_password(password: str) -> str:
    """Raises Unavailable when the queue is too long to stand in."""
    return await _in_turn(partial(identity.hash_password, password))


async def _in_turn(work: Callable[[], Result]) -> Result:
    if _working.statistics().tasks_waiting >= LONGEST_QUEUE:
        raise Unavailable("ただいまログインの確認が混み合っています。しばらく待ってから、もう一度お試しください。")
    return await to_thread.run_sync(work, limiter=_working)
