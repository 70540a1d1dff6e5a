"""What every load run stands on: servers of its own in a temp folder, a migrated database, a fleet with tokens."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from service.core.identity import hash_token
from stack import servers
from stack.home import ROOT, Home
from tests.load import past
from tests.processes import await_ok, end, free_port, own_folder, tied
from tests.sight import seeing_all


@dataclass
class Ground:
    home: Home
    tokens: Path
    environ: dict[str, str]
    postgres: subprocess.Popen[bytes]
    _sequence: int = field(default=0)

    def rows(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(seeing_all(self.environ["DATABASE_URL"]), autocommit=True) as connection:
            cursor = connection.execute(statement, list(parameters))
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def serving(self, target: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
        """A uvicorn of the target on a free port: (port, process)."""
        port = free_port()
        log = (self.home.logs / "load.log").open("ab")
        process = subprocess.Popen(
            tied([sys.executable, "-m", "uvicorn", "--factory", target, "--port", str(port), "--no-access-log"]),
            cwd=ROOT,
            env=self.environ,
            stdout=log,
            stderr=log,
        )
        try:
            await_ok(f"http://127.0.0.1:{port}/api/health/live" if "service" in target else _docs(port), process)
            yield port, process
        finally:
            end(process)
            log.close()

    def load(self, port: int, **order: Any) -> dict[str, Any]:
        """Runs the generator once; each run is a stream of its own, so that no heartbeat is a repeat."""
        whole = order | {"port": port, "tokens": str(self.tokens), "stream": str(uuid.uuid4())}
        command = [sys.executable, "-m", "tests.load.generator", json.dumps(whole)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def read(self, port: int, **order: Any) -> dict[str, Any]:
        """Runs the reader once."""
        command = [sys.executable, "-m", "tests.load.reader", json.dumps(order | {"port": port})]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def sign_in(self) -> str:
        """The token of a session of an operator who was not there before: several rows of one run ask for one."""
        with psycopg.connect(seeing_all(self.environ["DATABASE_OWNER_URL"]), autocommit=True) as owner:
            return open_session(owner, f"reader-{uuid.uuid4().hex[:8]}", "operator")

    def cpu_seconds(self, process: subprocess.Popen[bytes]) -> float:
        """User and system time so far of the process and its children and of all of PostgreSQL."""
        return cpu_of(process.pid) + cpu_of(self.postgres.pid)


def open_session(
    owner: psycopg.Connection, login_id: str, role: str, area: str = "fleet", tenant_id: int | None = None
) -> str:
    """The token of a session of somebody new, of that role in the area."""
    token = f"session-{uuid.uuid4().hex}"
    owner.execute(
        "WITH person AS (INSERT INTO users (login_id, name, password_hash, is_active) "
        "VALUES (%s, '読 読子', '-', true) RETURNING id), "
        "member AS (INSERT INTO memberships (user_id, area, role, tenant_id) SELECT id, %s, %s, %s FROM person) "
        "INSERT INTO sessions (token_hash, user_id, address, expires_at) "
        "SELECT %s, id, '-', now() + interval '1 h' FROM person",
        [login_id, area, role, tenant_id, hash_token(token)],
    )
    return token


def _docs(port: int) -> str:
    return f"http://127.0.0.1:{port}/openapi.json"


def cpu_of(pid: int) -> float:
    """User and system time of the process and its children, those that have ended included."""
    total = 0.0
    root = psutil.Process(pid)
    for process in [root, *root.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if process.pid == pid:
            total += times.children_user + times.children_system
    return total


@contextmanager
def ground(terminals: int) -> Iterator[Ground]:
    home = Home(own_folder("load"))
    home.prepare()
    servers.initialise(home)
    log = (home.logs / "servers.log").open("ab")
    commands = tied(servers.postgres_command(home), "INT", as_server=True), tied(servers.valkey_command(home))
    postgres, valkey = (subprocess.Popen(one, cwd=ROOT, stdout=log, stderr=log) for one in commands)
    try:
        servers.await_postgres(home)
        servers.await_valkey(home)
        servers.create_database(home)
        environ = os.environ | {
            "GENBA_MODE": "demo",
            "SECRET_KEY": home.secrets()["secret_key"],
            "DATABASE_URL": servers.url(home, "app"),
            "DATABASE_OWNER_URL": servers.url(home, "owner"),
            "DATABASE_DIRECT_URL": servers.url(home, "app"),
            "REDIS_URL": servers.redis_url(home),
            "LOG_LEVEL": "warning",
        }
        subprocess.run([sys.executable, "-m", "alembic", "upgrade", "head"], cwd=ROOT, env=environ, check=True)
        made = Ground(home, home.path / "tokens", environ, postgres)
        _fill(made, terminals)
        yield made
    finally:
        postgres.send_signal(2)
        valkey.terminate()
        postgres.wait(30)
        valkey.wait(10)
        log.close()
        shutil.rmtree(home.path, ignore_errors=True)


def _fill(made: Ground, terminals: int) -> None:
    tokens = [f"token-{number:06}-{uuid.uuid4().hex}" for number in range(terminals)]
    made.tokens.write_text("\n".join(tokens))
    with psycopg.connect(seeing_all(made.environ["DATABASE_OWNER_URL"]), autocommit=True) as owner:
        past.add_terminals(owner, terminals)
        # Not by COPY, which row-level security does not allow.
        owner.execute(
            "INSERT INTO fleet_terminal_tokens (token_hash, terminal_id) "
            "SELECT hash, id FROM unnest(%s::bytea[]) WITH ORDINALITY AS t(hash, place) "
            "JOIN (SELECT id, row_number() OVER (ORDER BY id) AS place FROM fleet_terminals) f USING (place)",
            [[hash_token(token) for token in tokens]],
        )
        owner.execute("VACUUM ANALYZE")
    time.sleep(0.5)
