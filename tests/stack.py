"""Runs the whole product as `make up` does, with its own home folder and ports."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from dashboards.addresses import HEALTH
from stack import clock, programs, servers
from stack.home import ROOT, Home
from stack.supervise import leftover_processes
from tests.processes import child_command, free_port, make_temporary_folder
from tests.waiting import wait_for

# Generous, because the machine runs other tests at the same time.
TIMEOUT_SECONDS = 300
ALL_RUN = "every process is running"


@dataclass
class Stack:
    """One `python -m stack up` with its own home and ports.

    `theirs`: the URLs, by role, of external servers.
    """

    home: Home
    environ: dict[str, str]
    lines: list[str] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None
    theirs: dict[str, str] = field(default_factory=dict)

    @property
    def dashboards(self) -> str:
        return f"http://127.0.0.1:{self.environ['DASHBOARDS_PORT']}"

    @property
    def service(self) -> str:
        return f"http://127.0.0.1:{self.environ['SERVICE_PORT']}"

    @property
    def sandbox(self) -> str:
        return f"http://127.0.0.1:{self.environ['SANDBOX_PORT']}"

    @property
    def database(self) -> str:
        """The URL with the application's role, without a pooler."""
        return self.theirs.get("app") or servers.url(self.home, "app")

    @property
    def owner_database(self) -> str:
        return self.theirs.get("owner") or servers.url(self.home, "owner")

    def start(self, until: str = ALL_RUN) -> float:
        """Start and wait for the line `until`, and for the sandbox, which begins to listen a little after it is
        running. Returns the seconds until "Genba is ready"."""
        started_at = time.monotonic()
        self.lines = []
        ready_at = 0.0
        self.process = subprocess.Popen(
            child_command([sys.executable, "-m", "stack", "up"]),
            cwd=ROOT,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        reader = threading.Thread(target=self._read, daemon=True)
        reader.start()
        while not any(until in line for line in self.lines):
            if not ready_at and any("Genba is ready" in line for line in self.lines):
                ready_at = time.monotonic()
            if self.process.poll() is not None or time.monotonic() > started_at + TIMEOUT_SECONDS:
                self.process.kill()
                self.process.wait(10)
                reader.join(5)
                raise AssertionError("make up did not get ready:\n" + "".join(self.lines))
            time.sleep(0.1)
        seconds = (ready_at or time.monotonic()) - started_at
        if until == ALL_RUN and (self.home.pids / "sandbox").exists():
            wait_for(self._sandbox_answers, "the sandbox does not answer")
        return seconds

    def _sandbox_answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.sandbox}/mails", timeout=5):
                return True
        except OSError:
            return False

    def _read(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self.lines.append(line)

    def stop(self) -> None:
        """Ctrl-C: the exit code is 0 and no process is left."""
        assert self.process is not None
        processes = leftover_processes(self.home)
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 0
        assert [name for name, process in processes if process.is_running()] == []

    def pid(self, name: str) -> int:
        return int((self.home.pids / name).read_text().split()[0])

    def move_clock(self, minutes: int, silent: str = "") -> None:
        """As `make clock` does. All terminals except the `silent` one send heartbeats in the meantime."""
        clock.move_clocks(self.owner_database, int(self.environ["SANDBOX_PORT"]), timedelta(minutes=minutes), silent)

    def control(self, path: str, payload: Any = None) -> Any:
        """Read (GET) or change (POST with a body) the sandbox's state."""
        body, kind = None if payload is None else json.dumps(payload).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.sandbox}/_control/{path}", body, kind)
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)

    def program_environ(self) -> dict[str, str]:
        """The environment of the programs that it starts."""
        with patch.object(os, "environ", self.environ):
            return programs.environment(self.home)

    def is_ready(self) -> bool:
        """Whether the service is ready and the dashboards are healthy."""
        try:
            for url in (f"{self.service}/api/health/ready", f"{self.dashboards}{HEALTH}"):
                with urllib.request.urlopen(url, timeout=5) as response:
                    if response.status != 200:
                        return False
        except OSError:
            return False
        return True


def make_stack(parent: Path) -> Stack:
    test_settings = ("DATABASE_", "REDIS_", "FLEET_", "BACKUP_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(test_settings)}
    for name in ("SECRET_KEY", "MAIL_FROM"):
        environ.pop(name, None)
    environ |= {
        "GENBA_HOME": str(parent / "home"),
        "BACKUP_FOLDER": str(parent / "backups"),
        "SERVICE_PORT": str(free_port()),
        "DASHBOARDS_PORT": str(free_port()),
        "SANDBOX_PORT": str(free_port()),
        "SANDBOX_SMTP_PORT": str(free_port()),
        "FLEET_HEARTBEAT_INTERVAL_SECONDS": "20",
        "SANDBOX_PACE": "0.3",
    }
    return Stack(Home(parent / "home"), environ)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A temporary folder that PostgreSQL's own account can read too; pytest's folders are closed to other accounts."""
    folder = make_temporary_folder("stack")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_stack(extra_environ: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Start a stack with its own home, ports and additional environment variables."""
    with temporary_folder() as parent:
        stack = make_stack(parent)
        stack.environ |= extra_environ or {}
        try:
            stack.start()
            yield stack
        finally:
            if stack.process is not None and stack.process.poll() is None:
                stack.stop()
