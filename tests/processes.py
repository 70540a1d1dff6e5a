"""Starts processes for tests: free ports, temporary folders, waiting until a process answers, stopping it.

Every process that a test starts ends with it, also when the run is killed (see `tied`).
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

# Below the ephemeral ports: no outgoing connection can take one between the check and the start.
PORTS = range(20_000, 32_000)
# Independent of the seed, which all workers of a run share.
_random = random.SystemRandom()


def child_command(command: Sequence[str | Path], stop: str = "TERM", *, as_server: bool = False) -> list[str]:
    """The command, wrapped so that it gets the signal `stop` when the thread that started it ends. It has to be started
    in the root of the repository. `as_server`: use PostgreSQL's own account, where there is one."""
    account = ["--as-server-account"] if as_server else []
    wrapper = [sys.executable, "-m", "stack.child", "--ends-with-parent", stop, "--may-back-up", *account]
    return [*wrapper, "--", *map(str, command)]


def make_temporary_folder(kind: str) -> Path:
    """A new temporary folder that PostgreSQL's account can read too. Deletes the folders of runs that were killed."""
    parent = Path(tempfile.gettempdir()).resolve()
    for leftover in parent.glob(f"genba-{kind}-*-*"):
        owner = leftover.name.split("-")[2]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(leftover, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"genba-{kind}-{os.getpid()}-", dir=parent))
    folder.chmod(0o755)
    return folder


def free_port() -> int:
    """A random port that no process listens on. Random, because other tests search for one at the same time."""
    while True:
        port = _random.choice(PORTS)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def wait_until_ok(
    url: str, process: subprocess.Popen[bytes] | ForkedProcess | None = None, seconds: float = 120
) -> None:
    """Wait until the URL answers 200; a busy machine takes half a minute to start a service.

    Raises RuntimeError when the process has ended, TimeoutError after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5) as response:
            if response.status == 200:
                return
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the process behind {url} ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise TimeoutError(url)
        time.sleep(0.05)


def stop_process(process: subprocess.Popen[bytes] | ForkedProcess, by: signal.Signals = signal.SIGTERM) -> None:
    process.send_signal(by)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)


class ForkedProcess:
    """A module run like `python -m`, in a process forked from one that has already imported the product, because the
    import takes longer than most tests of it. Has the methods of `subprocess.Popen` that tests need."""

    def __init__(self, module: str, *args: str, environ: Mapping[str, str], log: Path | None = None) -> None:
        self.module, self.args = module, args
        self._process = _fork_server().Process(
            target=_run_in_fork, args=(module, args, dict(environ), log), daemon=True
        )
        # A child would run this process's `__main__` again, which is a Streamlit page in tests of pages.
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
def _fork_server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["service.main", "jobs.long.kinds", "sandbox.app", "sandbox.visitor_pages"])
    return context


def _run_in_fork(module: str, args: Sequence[str], environ: Mapping[str, str], log: Path | None) -> None:
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
def running_command(
    command: Sequence[str | Path],
    environ: Mapping[str, str] | None = None,
    log: Path | None = None,
    ready: str = "",
    *,
    by: signal.Signals = signal.SIGTERM,
    as_server: bool = False,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command in the root of the repository until the block ends. `ready`: a URL that answers 200 once it is
    ready; `by`: the signal that ends it."""
    with ExitStack() as exit_stack:
        output = exit_stack.enter_context(log.open("ab")) if log else None
        wrapped = child_command(command, by.name.removeprefix("SIG"), as_server=as_server)
        process = subprocess.Popen(wrapped, cwd=ROOT, env=environ, stdout=output, stderr=output)
        exit_stack.callback(stop_process, process, by)
        if ready:
            wait_until_ok(ready, process)
        yield process


def last_output_line(*arguments: str, environ: Mapping[str, str] | None = None) -> str:
    """The last line that Python prints when run with these arguments. Raises CalledProcessError when it fails."""
    command = [sys.executable, *arguments]
    result = subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True, check=True)
    return result.stdout.splitlines()[-1]
