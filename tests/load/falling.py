"""Processes of a running product that are killed, and the wait until they are back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

import psutil
import redis

from stack import servers
from tests.processes import running
from tests.stack import Stack
from tests.waiting import wait_for

# The promise: whoever asks has an answer again so soon after anything died.
RECOVERY_SECONDS = 30
# How long a test goes on looking, so that it can say how long it took instead.
PATIENCE_SECONDS = 300
# Not a process: all that Valkey holds is gone, and Valkey goes on.
FLUSH = "flush"


@dataclass(frozen=True)
class Fall:
    """`moment` is on the monotonic clock; `pid` was the process of ours that died, if it was one."""

    name: str
    moment: float
    pid: int | None


def fall(stack: Stack, name: str) -> Fall:
    """kill -9 now. Whatever was killed before is back first."""
    if name == FLUSH:
        redis.Redis.from_url(stack.theirs.get("redis") or servers.redis_url(stack.home)).flushall()
        return Fall(name, time.monotonic(), None)
    wait_for(lambda: is_there(stack, name), f"{name} did not come back", PATIENCE_SECONDS)
    pid = stack.pid(name)
    os.kill(pid, signal.SIGKILL)
    return Fall(name, time.monotonic(), pid)


def is_there(stack: Stack, name: str) -> bool:
    with suppress(OSError, ValueError):
        return psutil.pid_exists(stack.pid(name))
    return False


def is_back(stack: Stack, fallen: Fall) -> bool:
    """Whether another process runs in the place of the one that was killed."""
    return fallen.pid is None or (is_there(stack, fallen.name) and stack.pid(fallen.name) != fallen.pid)


def beside(stack: Stack, *arguments: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """One more process with the settings of the stack's own."""
    return running([sys.executable, *arguments], stack.program_environ(), stack.home.logs / "beside.log")
