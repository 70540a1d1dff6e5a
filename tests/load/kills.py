"""Kills processes of a running product and waits until they are back."""

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
from tests.processes import running_command
from tests.stack import Stack
from tests.waiting import wait_for

# The guarantee: after any kill every client has an answer again within this time.
RECOVERY_SECONDS = 30
# How long a test waits, so that it can report the real time.
PATIENCE_SECONDS = 300
# Not a process: all data of Valkey is deleted, and Valkey keeps running.
FLUSH = "flush"


@dataclass(frozen=True)
class Kill:
    """`killed_at`: the monotonic time of the kill. `pid`: the killed process, or None."""

    name: str
    killed_at: float
    pid: int | None


def kill_process(stack: Stack, name: str) -> Kill:
    """Sends SIGKILL. First waits until a process that was killed before is back."""
    if name == FLUSH:
        redis.Redis.from_url(stack.theirs.get("redis") or servers.redis_url(stack.home)).flushall()
        return Kill(name, time.monotonic(), None)
    wait_for(lambda: is_running(stack, name), f"{name} did not come back", PATIENCE_SECONDS)
    pid = stack.pid(name)
    os.kill(pid, signal.SIGKILL)
    return Kill(name, time.monotonic(), pid)


def is_running(stack: Stack, name: str) -> bool:
    with suppress(OSError, ValueError):
        return psutil.pid_exists(stack.pid(name))
    return False


def is_restarted(stack: Stack, kill: Kill) -> bool:
    """Whether another process has replaced the killed one."""
    return kill.pid is None or (is_running(stack, kill.name) and stack.pid(kill.name) != kill.pid)


def extra_process(stack: Stack, *arguments: str) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """One more process, with the settings of the stack's own processes."""
    return running_command([sys.executable, *arguments], stack.program_environ(), stack.home.logs / "beside.log")
