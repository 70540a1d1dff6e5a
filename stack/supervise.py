"""supervisord from the outside: start it, talk to it, and end what a killed run left behind."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from http.client import HTTPException
from pathlib import Path
from xmlrpc.client import Fault, ServerProxy

import psutil
from supervisor.xmlrpc import SupervisorTransport

from stack.home import ROOT, Home
from stack.programs import Program, supervisor_config, supervisor_socket


class Supervisor:
    def __init__(self, home: Home, listed: list[Program], environ: dict[str, str]) -> None:
        self.home = home
        config = home.path / "supervisord.conf"
        config.write_text(supervisor_config(home, listed))
        command = [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "--configuration", str(config)]
        # A session of its own: Ctrl-C reaches the launcher alone, which then stops everything in order. A launcher that
        # was killed cannot: then supervisord does it by itself.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "stack.child", "--may-back-up", "--ends-with-parent", "TERM", "--", *command],
            cwd=ROOT,
            env=environ,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
        self._await_answer()

    @property
    def rpc(self) -> ServerProxy:
        # A new one each time: the transport keeps a connection that once failed and never tries another.
        return _connect(self.home)

    def _await_answer(self) -> None:
        deadline = time.monotonic() + 15
        while True:
            try:
                self.rpc.supervisor.getState()
                return
            except (OSError, HTTPException):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.process.kill()
                    raise RuntimeError(f"supervisord did not start; see {self.home.logs}/supervisord.log") from None
                time.sleep(0.05)

    def start(self, name: str) -> None:
        self.rpc.supervisor.startProcess(name, False)

    def states(self) -> dict[str, str]:
        found = self.rpc.supervisor.getAllProcessInfo()
        return {info["name"]: info["statename"] for info in found}  # type: ignore[index,union-attr,call-overload]

    def stop(self, listed: list[Program]) -> None:
        """Everything in reverse order, each one down before the next, then supervisord itself."""
        for program in reversed(listed):
            try:
                self.rpc.supervisor.stopProcess(program.name, True)
            except Fault:
                continue  # it was not running
        self.rpc.supervisor.shutdown()
        self.process.wait(30)


def _connect(home: Home) -> ServerProxy:
    return ServerProxy(
        "http://127.0.0.1", transport=SupervisorTransport(None, None, f"unix://{supervisor_socket(home)}")
    )


def restarted(home: Home, name: str) -> None:
    """One process ends in its order and begins anew. Raises RuntimeError, in words, when supervisord does not do so."""
    try:
        # Both wait: until it has ended, and until it has run for a second.
        with _connect(home) as supervisord:
            supervisord.supervisor.stopProcess(name, True)
            supervisord.supervisor.startProcess(name, True)
    except (OSError, HTTPException, Fault) as why:
        raise RuntimeError(f"{name} was not restarted: {why}") from None


def ask_to_stop(home: Home) -> bool:
    """Asks the running supervisord to stop everything, in its order; False when none answers."""
    try:
        with _connect(home) as supervisord:
            supervisord.supervisor.shutdown()
    except (OSError, HTTPException, Fault):
        return False
    return True


def leftovers(home: Home) -> list[tuple[str, psutil.Process]]:
    """Our processes still alive, by the names of their pid files."""
    found = []
    for file in home.pids.glob("*") if home.pids.is_dir() else []:
        process = _alive(file)
        if process is not None:
            found.append((file.name, process))
    return found


def _alive(pid_file: Path) -> psutil.Process | None:
    """The process a pid file speaks of. supervisord writes its own file, without the time it started."""
    try:
        words = pid_file.read_text().split()
        process = psutil.Process(int(words[0]))
        if len(words) > 1:
            return process if abs(process.create_time() - float(words[1])) < 1 else None
        config = str(pid_file.parent.parent / "supervisord.conf")
        return process if config in process.cmdline() else None
    except (OSError, ValueError, IndexError, psutil.Error):
        return None


def end_leftovers(home: Home) -> int:
    """Ends what an earlier run left behind: first supervisord, then what uses the servers, then the servers. How many.

    PostgreSQL gets INT, its fast stop.
    """
    found = leftovers(home)
    for group in (("supervisord",), _others(found), ("valkey", "postgres")):
        ending = [(name, process) for name, process in found if name in group]
        for name, process in ending:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
        _, alive = psutil.wait_procs([process for _, process in ending], timeout=20)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(alive, timeout=10)
    for file in home.pids.glob("*"):
        file.unlink(missing_ok=True)
    return len(found)


def _others(found: list[tuple[str, psutil.Process]]) -> set[str]:
    return {name for name, _ in found} - {"supervisord", "valkey", "postgres"}
