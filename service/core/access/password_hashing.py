"""Checks and hashes passwords one at a time, on a thread of their own.

Each takes a quarter of a second of a core by design, and a caller who is not signed in can cause it. So a rush of them
must leave a core, the threads and the connections to other requests: call these outside any transaction and slot.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from service.core.access import identity
from service.core.problems import Unavailable

# About five seconds for the last in the queue; a caller who would wait longer gets 503.
MAX_WAITING = 20
_working = CapacityLimiter(1)

Result = TypeVar("Result")


async def check_password(password: str, hashed: str | None) -> bool:
    """Raises Unavailable when the queue is too long."""
    return await _in_turn(partial(identity.check_password, password, hashed))


async def hash_password(password: str) -> str:
    """Raises Unavailable when the queue is too long."""
    return await _in_turn(partial(identity.hash_password, password))


async def _in_turn(work: Callable[[], Result]) -> Result:
    if _working.statistics().tasks_waiting >= MAX_WAITING:
        raise Unavailable("ただいまログインの確認が混み合っています。しばらく待ってから、もう一度お試しください。")
    return await to_thread.run_sync(work, limiter=_working)
