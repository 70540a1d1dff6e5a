"""The whole product as `make up` runs it, with a home and ports of its own."""

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
from tests.processes import free_port, own_folder, tied

# A machine that runs other tests beside takes its time.
PATIENCE_SECONDS = 300


@dataclass
class Stack:
    """One `python -m stack up` with a home and ports of its own.

    `theirs`: the URLs, by role, of servers that are not its own.
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
        """As the application's role, past any pooler."""
        return self.theirs.get("app") or servers.url(self.home, "app")

    @property
    def owner_database(self) -> str:
        return self.theirs.get("owner") or servers.url(self.home, "owner")

    def start(self) -> float:
        """Starts and waits for the block that says it is ready; seconds it took."""
        begun = time.monotonic()
        self.lines = []
        self.process = subprocess.Popen(
            tied([sys.executable, "-m", "stack", "up"]),
            cwd=ROOT,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        reader = threading.Thread(target=self._read, daemon=True)
        reader.start()
        while not any("Genba is ready" in line for line in self.lines):
            if self.process.poll() is not None or time.monotonic() > begun + PATIENCE_SECONDS:
                self.process.kill()
                self.process.wait(10)
                reader.join(5)
                raise AssertionError("make up did not get ready:\n" + "".join(self.lines))
            time.sleep(0.1)
        return time.monotonic() - begun

    def _read(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        with self.process.stdout as said:
            for line in said:
                self.lines.append(line)

    def stop(self) -> None:
        """Ctrl-C: nothing of it runs any more, and that was no error."""
        assert self.process is not None
        ran = leftover_processes(self.home)
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(60) == 0
        assert [name for name, process in ran if process.is_running()] == []

    def pid(self, name: str) -> int:
        return int((self.home.pids / name).read_text().split()[0])

    def move_clock(self, minutes: int, silent: str = "") -> None:
        """As `make clock` does; all terminals but the `silent` one are heard of all the while."""
        clock.move_clocks(self.owner_database, int(self.environ["SANDBOX_PORT"]), timedelta(minutes=minutes), silent)

    def control(self, path: str, given: Any = None) -> Any:
        """The sandbox: asked, or told."""
        body, kind = None if given is None else json.dumps(given).encode(), {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.sandbox}/_control/{path}", body, kind)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def program_environ(self) -> dict[str, str]:
        """The settings that its programs see."""
        with patch.object(os, "environ", self.environ):
            return programs.environment(self.home)

    def is_ready(self) -> bool:
        """Whether the service has all it needs and the dashboards can show it."""
        try:
            for url in (f"{self.service}/api/health/ready", f"{self.dashboards}{HEALTH}"):
                with urllib.request.urlopen(url, timeout=5) as answer:
                    if answer.status != 200:
                        return False
        except OSError:
            return False
        return True


def make_stack(parent: Path) -> Stack:
    of_tests = ("DATABASE_", "REDIS_", "FLEET_", "BACKUP_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(of_tests)}
    for name in ("SECRET_KEY", "MAIL_FROM"):
        environ.pop(name, None)
    environ |= {
        "GENBA_HOME": str(parent / "home"),
        "BACKUP_FOLDER": str(parent / "backups"),
        "SERVICE_PORT": str(free_port()),
        "DASHBOARDS_PORT": str(free_port()),
        "SANDBOX_PORT": str(free_port()),
        "SANDBOX_SMTP_PORT": str(free_port()),
        "FLEET_HEARTBEAT_INTERVAL_SECONDS": "10",
        "SANDBOX_PACE": "0.3",
    }
    return Stack(Home(parent / "home"), environ)


@contextmanager
def some_folder() -> Iterator[Path]:
    """A folder that PostgreSQL's own account can reach too; pytest's are closed to others."""
    folder = own_folder("stack")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_stack(more: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """`more`: settings of its own."""
    with some_folder() as parent:
        running = make_stack(parent)
        running.environ |= more or {}
        try:
            running.start()
            yield running
        finally:
            if running.process is not None and running.process.poll() is None:
                running.stop()
