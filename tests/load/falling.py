"""Processes of a running product that are killed, and the wait until they are back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil
import pytest
import redis

from stack import programs, servers
from stack.home import ROOT
from tests.processes import tied
from tests.stack import Stack

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
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_there(stack, name):
        assert time.monotonic() < deadline, f"{name} did not come back"
        time.sleep(0.1)
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


@contextmanager
def beside(stack: Stack, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """One more process with the settings of the stack's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", stack.environ)
        environ = programs.environment(stack.home)
    with (stack.home.logs / "beside.log").open("a") as log:
        process = subprocess.Popen(
            tied([sys.executable, *arguments]), cwd=ROOT, env=environ, stdout=log, stderr=log, text=True
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)
