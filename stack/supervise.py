"""supervisord from outside: start it, call it, and end what a killed run left behind."""

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
    def __init__(self, home: Home, programs: list[Program], environ: dict[str, str]) -> None:
        self.home = home
        config = home.path / "supervisord.conf"
        config.write_text(supervisor_config(home, programs))
        command = [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "--configuration", str(config)]
        # A session of its own: Ctrl-C reaches only the launcher, which then stops everything in order. If the launcher
        # is killed, supervisord stops everything by itself.
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
        # A new one each time: the transport never reconnects after a failed connection.
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
        processes = self.rpc.supervisor.getAllProcessInfo()
        return {info["name"]: info["statename"] for info in processes}  # type: ignore[index,union-attr,call-overload]

    def stop(self, programs: list[Program]) -> None:
        """Stops everything in reverse order, each program before the next, then supervisord itself."""
        for program in reversed(programs):
            try:
                self.rpc.supervisor.stopProcess(program.name, True)
            except Fault:
                continue  # It was not running.
        self.rpc.supervisor.shutdown()
        self.process.wait(30)


def _connect(home: Home) -> ServerProxy:
    return ServerProxy(
        "http://127.0.0.1", transport=SupervisorTransport(None, None, f"unix://{supervisor_socket(home)}")
    )


def restart_process(home: Home, name: str) -> None:
    """Shuts one process down gracefully and starts it again. Raises RuntimeError with a message when supervisord
    fails."""
    try:
        # Both calls wait: until it has ended, and until it has run for a second.
        with _connect(home) as supervisord:
            supervisord.supervisor.stopProcess(name, True)
            supervisord.supervisor.startProcess(name, True)
    except (OSError, HTTPException, Fault) as error:
        raise RuntimeError(f"{name} was not restarted: {error}") from None


def request_stop(home: Home) -> bool:
    """Asks the running supervisord to stop everything in order; False when there is no answer."""
    try:
        with _connect(home) as supervisord:
            supervisord.supervisor.shutdown()
    except (OSError, HTTPException, Fault):
        return False
    return True


def leftover_processes(home: Home) -> list[tuple[str, psutil.Process]]:
    """Our processes that still run, by the names of their pid files."""
    processes = []
    for file in home.pids.glob("*") if home.pids.is_dir() else []:
        process = _running_process(file)
        if process is not None:
            processes.append((file.name, process))
    return processes


def _running_process(pid_file: Path) -> psutil.Process | None:
    """The process of a pid file. supervisord writes its own file, without its start time."""
    try:
        fields = pid_file.read_text().split()
        process = psutil.Process(int(fields[0]))
        if len(fields) > 1:
            return process if abs(process.create_time() - float(fields[1])) < 1 else None
        config = str(pid_file.parent.parent / "supervisord.conf")
        return process if config in process.cmdline() else None
    except (OSError, ValueError, IndexError, psutil.Error):
        return None


def end_leftovers(home: Home) -> int:
    """Ends what an earlier run left behind: first supervisord, then the clients of the servers, then the servers.
    Returns how many. PostgreSQL gets INT, its fast shutdown."""
    processes = leftover_processes(home)
    for group in (("supervisord",), _client_names(processes), ("valkey", "postgres")):
        group_processes = [(name, process) for name, process in processes if name in group]
        for name, process in group_processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGINT if name == "postgres" else signal.SIGTERM)
        _, still_running = psutil.wait_procs([process for _, process in group_processes], timeout=20)
        for process in still_running:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(still_running, timeout=10)
    for file in home.pids.glob("*"):
        file.unlink(missing_ok=True)
    return len(processes)


def _client_names(processes: list[tuple[str, psutil.Process]]) -> set[str]:
    return {name for name, _ in processes} - {"supervisord", "valkey", "postgres"}
