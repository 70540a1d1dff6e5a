"""The dashboards in their own process, in front of the service that a test chooses."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import dataclass

import httpx2
import psutil

from dashboards.session import SESSION_COOKIE
from stack.home import ROOT
from tests.processes import child_command, free_port, wait_until_ok


@dataclass
class Dashboards:
    url: str
    process: subprocess.Popen[bytes]

    def browser(self, **headers: str) -> httpx2.Client:
        return httpx2.Client(
            base_url=self.url, headers=headers, cookies={SESSION_COOKIE: "token-of-olivia"}, timeout=60
        )

    def connect(self) -> socket.socket:
        """A browser that reads and writes byte by byte."""
        host, port = self.url.removeprefix("http://").split(":")
        connection = socket.create_connection((host, int(port)), 30)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        return connection

    def memory(self) -> int:
        return int(psutil.Process(self.process.pid).memory_info().rss)


def start(service_url: str, **variables: str) -> Dashboards:
    port = free_port()
    environ = os.environ | {"SERVICE_URL": service_url} | variables
    process = subprocess.Popen(
        child_command(
            [sys.executable, "-m", "uvicorn", "dashboards.app:app", "--port", str(port), "--log-level", "critical"]
        ),
        cwd=ROOT,
        env=environ,
    )
    wait_until_ok(f"http://127.0.0.1:{port}/_stcore/health", process)
    return Dashboards(f"http://127.0.0.1:{port}", process)
