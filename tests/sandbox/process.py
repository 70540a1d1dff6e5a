"""The sandbox as a process of its own, and what a test asks it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from stack.home import ROOT
from tests.processes import await_ok, end, free_port, tied

TOKEN = "xoxb-for-tests"
SIGNING_SECRET = "signing-secret-for-tests"


@dataclass
class Sandbox:
    http: httpx2.Client
    port: int
    smtp_port: int
    process: subprocess.Popen[bytes]

    @property
    def slack_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/slack/api/"

    def fault(self, vendor: str, kind: str, **settings: Any) -> int:
        answer = self.http.post("/_control/faults", json={"vendor": vendor, "kind": kind} | settings)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["id"])

    def switch_off(self, fault_id: int) -> None:
        assert self.http.delete(f"/_control/faults/{fault_id}").status_code == 204

    def faults(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.http.get("/_control/faults").json()
        return found

    def truth(self, vendor: str, door: str) -> list[dict[str, Any]]:
        """What truly happened at a door, oldest first."""
        log = self.http.get("/_control/log", params={"vendor": vendor}).json()
        return [entry for entry in reversed(log) if entry["door"] == door]

    def mails(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.http.get("/mails").json()
        return found

    def posts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.http.get("/slack/messages").json()
        return found

    def reset(self) -> None:
        for fault in self.faults():
            self.switch_off(fault["id"])
        self.http.delete("/_control/messages")


@contextmanager
def running_sandbox(store: Path | None = None, events_url: str = "") -> Iterator[Sandbox]:
    port, smtp_port = free_port(), free_port()
    environ = os.environ | {
        "SANDBOX_PORT": str(port),
        "SANDBOX_SMTP_PORT": str(smtp_port),
        "SANDBOX_STORE": str(store or ""),
        "SLACK_BOT_TOKEN": TOKEN,
        "SANDBOX_SLACK_EVENTS_URL": events_url,
        "SANDBOX_SLACK_SIGNING_SECRET": SIGNING_SECRET,
    }
    process = subprocess.Popen(tied([sys.executable, "-m", "tests.sandbox"]), cwd=ROOT, env=environ)
    url = f"http://127.0.0.1:{port}"
    try:
        await_ok(f"{url}/health", process)
        with httpx2.Client(base_url=url, timeout=15) as http:
            yield Sandbox(http, port, smtp_port, process)
    finally:
        if process.poll() is None:
            end(process)
