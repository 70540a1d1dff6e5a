"""The environment of a load run: its own servers in a temp folder, a migrated database, a fleet with tokens."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from service.core.access.identity import hash_token
from stack import servers
from stack.home import ROOT, Home
from tests import rls_bypass
from tests.load import driver, past
from tests.load.rows import Meter, Run
from tests.processes import free_port, make_temporary_folder, running_command

SERVICE = "service.main:app"
TERMINALS = 20_000


@dataclass
class BenchEnvironment:
    home: Home
    tokens: Path
    environ: dict[str, str]
    postgres: int

    def rows(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        return rls_bypass.fetch_rows(self.environ["DATABASE_URL"], statement, *parameters)

    def owner_connection(self) -> AbstractContextManager[psycopg.Connection]:
        """A connection of the owner role, for filling tables."""
        return rls_bypass.open_connection(self.environ["DATABASE_OWNER_URL"])

    def create_session_token(self, role: str = "operator", area: str = "fleet", tenant_id: int | None = None) -> str:
        """Creates a user with a session and returns its token."""
        with self.owner_connection() as connection:
            return create_session(connection, role, area, tenant_id)

    @contextmanager
    def running_service(self, target: str = SERVICE) -> Iterator[RunningService]:
        """Runs the target with uvicorn."""
        port = free_port()
        command = [sys.executable, "-m", "uvicorn", "--factory", target, "--port", str(port), "--no-access-log"]
        path = "/api/health/live" if target == SERVICE else "/openapi.json"
        ready = f"http://127.0.0.1:{port}{path}"
        with self.running_process(command, ready=ready) as process:
            yield RunningService(self, port, process.pid)

    def running_process(
        self, command: list[str], more: dict[str, str] | None = None, ready: str = ""
    ) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """`more`: extra environment variables."""
        return running_command(command, self.environ | (more or {}), self.home.logs / "load.log", ready)


@dataclass(frozen=True)
class RunningService:
    """A process that answers at a port of this machine."""

    environment: BenchEnvironment
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def processes(self) -> dict[str, list[int]]:
        """The processes whose CPU an answer uses."""
        return {"service": [self.pid], "PostgreSQL": [self.environment.postgres]}

    def meter(self) -> Meter:
        return Meter(self.processes)

    def measure_heartbeats(self, **options: Any) -> Run:
        return driver.measure(self.port, self.processes, tokens=self.environment.tokens, **options)

    def measure_reads(self, token: str, path: str, connections: int = 1, seconds: float = 2) -> Run:
        return driver.measure(
            self.port, self.processes, token=token, path=path, connections=connections, seconds=seconds
        )


def create_session(connection: psycopg.Connection, role: str, area: str = "fleet", tenant_id: int | None = None) -> str:
    """Creates a user with that role in the area and returns the token of a new session."""
    name = uuid.uuid4().hex
    token = f"session-{name}"
    connection.execute(
        "WITH person AS (INSERT INTO users (login_id, name, password_hash, is_active) "
        "VALUES (%s, '読 読子', '-', true) RETURNING id), "
        "member AS (INSERT INTO memberships (user_id, area, role, tenant_id) SELECT id, %s, %s, %s FROM person) "
        "INSERT INTO sessions (token_hash, user_id, address, expires_at) "
        "SELECT %s, id, '-', now() + interval '1 h' FROM person",
        [f"reader-{name[:8]}", area, role, tenant_id, hash_token(token)],
    )
    return token


@contextmanager
def running_servers(home: Home) -> Iterator[int]:
    """Runs PostgreSQL and Valkey of a home, created when they are missing, and yields PostgreSQL's pid."""
    home.prepare()
    servers.initialise(home)
    log = home.logs / "servers.log"
    with (
        running_command(servers.postgres_command(home), log=log, by=signal.SIGINT, as_server=True) as postgres,
        running_command(servers.valkey_command(home), log=log),
    ):
        servers.await_postgres(home)
        servers.await_valkey(home)
        yield postgres.pid


def migrate(environ: Mapping[str, str]) -> None:
    subprocess.run([sys.executable, "-m", "alembic", "upgrade", "head"], cwd=ROOT, env=environ, check=True)


@contextmanager
def bench_environment(terminals: int) -> Iterator[BenchEnvironment]:
    home = Home(make_temporary_folder("load"))
    try:
        with running_servers(home) as postgres:
            servers.create_roles(home)
            servers.create_database(home)
            environ = os.environ | {
                "GENBA_MODE": "demo",
                "SECRET_KEY": home.secrets()["secret_key"],
                "DATABASE_URL": servers.url(home, "app"),
                "DATABASE_OWNER_URL": servers.url(home, "owner"),
                "DATABASE_DIRECT_URL": servers.url(home, "app"),
                "REDIS_URL": servers.redis_url(home),
                "FILES_URL": (home.path / "files").as_uri(),
                "LOG_LEVEL": "warning",
            }
            migrate(environ)
            environment = BenchEnvironment(home, home.path / "tokens", environ, postgres)
            _fill(environment, terminals)
            yield environment
    finally:
        shutil.rmtree(home.path, ignore_errors=True)


def _fill(environment: BenchEnvironment, terminals: int) -> None:
    tokens = [f"token-{number:06}-{uuid.uuid4().hex}" for number in range(terminals)]
    environment.tokens.write_text("\n".join(tokens))
    with environment.owner_connection() as owner:
        past.add_terminals(owner, terminals)
        # Not with COPY, which row-level security does not allow.
        owner.execute(
            "INSERT INTO fleet_terminal_tokens (token_hash, terminal_id) "
            "SELECT hash, id FROM unnest(%s::bytea[]) WITH ORDINALITY AS t(hash, place) "
            "JOIN (SELECT id, row_number() OVER (ORDER BY id) AS place FROM fleet_terminals) f USING (place)",
            [[hash_token(token) for token in tokens]],
        )
        owner.execute("VACUUM ANALYZE")
