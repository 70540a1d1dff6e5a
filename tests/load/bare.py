"""Lower limits to compare the product with, on the same machine in the same run: HTTP that answers and stores nothing,
PostgreSQL that stores without HTTP, a route that runs SELECT 1, and a Streamlit page (`bare_page.py`) with one
table."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import FastAPI
from sqlalchemy import text
from starlette.types import ASGIApp, Receive, Scope, Send

from service.core.database.session import NO_SCOPES, transaction
from stack import servers
from tests.load.environment import BenchEnvironment
from tests.load.rows import Meter, Run
from tests.processes import free_port, running_command
from tests.rls_bypass import rls_bypass_url

# As long as the response to a heartbeat.
_ANSWER = json.dumps({"server_time": "2026-11-21T09:05:00.123456+09:00", "next_heartbeat_in": 300, "commands": []})
PAGE = Path(__file__).with_name("bare_page.py")


def http() -> ASGIApp:
    """Reads each request to its end and responds at once."""
    answer = _ANSWER.encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


EMPTY, ROUTE = "/one", "tests.load.bare:route"


def route() -> FastAPI:
    """FastAPI with one route that opens a transaction and runs SELECT 1."""
    api = FastAPI()

    @api.get(EMPTY)
    def one() -> dict[str, int]:
        with transaction(NO_SCOPES) as db:
            return {"one": db.execute(text("SELECT 1")).scalar_one()}

    return api


# As many as the product has.
CONNECTIONS = 32
# The writes of a heartbeat, one transaction each, prepared, by PostgreSQL's own pgbench.
_HEARTBEAT = """\\set terminal random(:first, :last)
\\set cpu random(0, 100)
BEGIN;
UPDATE fleet_terminal_states SET last_heartbeat_at = now(), offline_after = now() + interval '11 minutes',
    cpu_usage = :cpu, memory_usage = 61, disk_usage = 48, sent_at = now(), sequence = 1 WHERE terminal_id = :terminal;
INSERT INTO fleet_heartbeats (terminal_id, received_at, sent_at, stream_id, sequence, cpu_usage, memory_usage,
    disk_usage, terminal_connected) VALUES (:terminal, now(), now(), gen_random_uuid(), 1, :cpu, 61, 48, true);
COMMIT;
"""


def measure_stored(environment: BenchEnvironment, seconds: int) -> Run:
    [[first, last]] = environment.rows("SELECT min(terminal_id), max(terminal_id) FROM fleet_terminal_states")
    script = environment.home.path / "heartbeat.sql"
    script.write_text(_HEARTBEAT)
    meter = Meter({"PostgreSQL": [environment.postgres]})
    pgbench = subprocess.run(
        [
            *(servers.bin_dir(environment.home) / "pgbench", "--no-vacuum", "--protocol=prepared", f"--file={script}"),
            *(f"--client={CONNECTIONS}", f"--time={seconds}", f"--define=first={first}", f"--define=last={last}"),
            rls_bypass_url(environment.environ["DATABASE_URL"]),
        ],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    match = re.search(r"transactions actually processed: (\d+).*?\ntps = ([\d.]+)", pgbench.stdout, re.DOTALL)
    if match is None:
        raise SystemExit(f"pgbench said no rate:\n{pgbench.stdout}")
    return meter.stop(int(match[1]), int(match[1]) / float(match[2]))


@contextmanager
def running_page(*more_options: str) -> Iterator[tuple[str, int]]:
    """The URL of the bare page, and its process."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = ["--server.address=127.0.0.1", f"--server.port={port}", *more_options]
    command = [sys.executable, "-m", "streamlit", "run", str(PAGE), *options]
    environ = os.environ | {"STREAMLIT_SERVER_HEADLESS": "true", "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false"}
    with running_command(command, environ, ready=f"{url}/_stcore/health") as process:
        yield url, process.pid
