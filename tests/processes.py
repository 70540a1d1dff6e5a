"""Processes that tests start: a port and a folder for them, waiting until they answer, ending them.

Whatever a test starts ends with it, also when the run is killed: `tied`.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import psutil

from stack.child import end_with_parent
from stack.home import ROOT

# Below the ports that the system gives to outgoing connections: none of those can take one between asking and starting.
PORTS = range(20_000, 32_000)
# Not of the seed that all workers of a run share.
_chance = random.SystemRandom()


def tied(command: Sequence[str | Path], stop: str = "TERM", *, as_server: bool = False) -> list[str]:
    """The same command, from the root of the repository: it gets the signal when the thread that starts it is gone.
    `as_server`: under PostgreSQL's own account, where there is one."""
    account = ["--as-server-account"] if as_server else []
    child = [sys.executable, "-m", "stack.child", "--ends-with-parent", stop, "--may-back-up", *account]
    return [*child, "--", *map(str, command)]


def own_folder(kind: str) -> Path:
    """A new one in the temp folder, which PostgreSQL's account can reach too. Those of runs that were killed go."""
    parent = Path(tempfile.gettempdir()).resolve()
    for left in parent.glob(f"genba-{kind}-*-*"):
        owner = left.name.split("-")[2]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"genba-{kind}-{os.getpid()}-", dir=parent))
    folder.chmod(0o755)
    return folder


def free_port() -> int:
    """A port that nobody listens on; drawn, because others look for one at the same moment."""
    while True:
        port = _chance.choice(PORTS)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def await_ok(url: str, process: subprocess.Popen[bytes] | Forked | None = None, seconds: float = 120) -> None:
    """A busy machine takes half a minute to start a service; one that ended is told at once."""
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


def end(process: subprocess.Popen[bytes] | Forked, by: signal.Signals = signal.SIGTERM) -> None:
    process.send_signal(by)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)


class Forked:
    """A module run as `python -m` does, in a process that is forked from one that has imported the product: to import
    it takes longer than most of what is asked of it. As far as tests need it, a `subprocess.Popen`."""

    def __init__(self, module: str, *args: str, environ: Mapping[str, str], log: Path | None = None) -> None:
        self.module, self.args = module, args
        self._process = _server().Process(target=_become, args=(module, args, dict(environ), log), daemon=True)
        # A child would run this process's `__main__` again, which is a page where pages are tested.
        with patch.dict(sys.modules, {"__main__": ModuleType("__main__")}):
            self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@cache
def _server() -> ForkServerContext:
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["service.main", "jobs.long.kinds", "tests.sandbox.app", "tests.sandbox.people"])
    return made


def _become(module: str, args: Sequence[str], environ: Mapping[str, str], log: Path | None) -> None:
    end_with_parent(os.getppid(), signal.SIGTERM)
    os.environ.clear()
    os.environ.update(environ)
    if log:
        with log.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
    sys.argv = [module, *args]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


@contextmanager
def running(
    command: Sequence[str | Path],
    environ: Mapping[str, str] | None = None,
    log: Path | None = None,
    ready: str = "",
    *,
    by: signal.Signals = signal.SIGTERM,
    as_server: bool = False,
) -> Iterator[subprocess.Popen[bytes]]:
    """The command, from the root of the repository, until the block ends. `ready`: an address that answers once it is
    there; `by`: the signal that ends it."""
    with ExitStack() as held:
        output = held.enter_context(log.open("ab")) if log else None
        whole = tied(command, by.name.removeprefix("SIG"), as_server=as_server)
        process = subprocess.Popen(whole, cwd=ROOT, env=environ, stdout=output, stderr=output)
        held.callback(end, process, by)
        if ready:
            await_ok(ready, process)
        yield process


def last_line(*arguments: str, environ: Mapping[str, str] | None = None) -> str:
    """Of what a Python of ours prints with these arguments. Raises CalledProcessError when it fails."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()[-1]
