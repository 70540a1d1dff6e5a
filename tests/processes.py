"""Processes that tests start: a port for them, waiting until they answer, ending them."""

from __future__ import annotations

import random
import socket
import subprocess
import time
import urllib.request
from contextlib import suppress

# Below the ports that the system gives to outgoing connections: none of those can take one between asking and starting.
PORTS = range(20_000, 32_000)
# Not of the seed that all workers of a run share.
_chance = random.SystemRandom()


def free_port() -> int:
    """A port that nobody listens on; drawn, because others look for one at the same moment."""
    while True:
        port = _chance.choice(PORTS)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def await_ok(url: str, process: subprocess.Popen[bytes] | None = None, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            if answer.status == 200:
                return
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the process behind {url} ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise TimeoutError(url)
        time.sleep(0.05)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
